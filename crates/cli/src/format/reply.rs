//! One reply as text, in the way that the options ask for.

use oxidis_resp::Value;

use super::{csv, json, raw, standard};
use crate::arguments::{Options, Output};

/// Answers what is printed for `reply`.
///
/// `as_is` prints the text of a reply that is meant for people already (`INFO` and
/// its like), whatever the output asked for.
pub fn reply(reply: &Value, options: &Options, as_is: bool) -> Vec<u8> {
    let mut out = Vec::new();
    match options.output {
        _ if as_is => raw::push(&mut out, reply, &options.element_delimiter),
        Output::Standard => standard::push(&mut out, reply, ""),
        Output::Raw => {
            raw::push(&mut out, reply, &options.element_delimiter);
            out.extend_from_slice(&options.reply_delimiter);
        }
        Output::Csv => {
            csv::push(&mut out, reply);
            out.push(b'\n');
        }
        Output::Json => {
            json::push(&mut out, reply, json::Strings::Utf8);
            out.push(b'\n');
        }
        Output::QuotedJson => {
            json::push(&mut out, reply, json::Strings::Quoted);
            out.push(b'\n');
        }
    }
    out
}
