//! Subcommands of DEBUG that answer what they are asked for: errors, and an example of each type of the protocol.

use crate::command::{CommandError, CommandResult, Context, Reply};
use crate::mailbox::Message;

/// Answers an error with a text of the client's.
pub(super) fn error(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    // Line ends become blanks here, also those at the ends that other errors are stripped of.
    let blank = |&byte: &u8| {
        if matches!(byte, b'\r' | b'\n') {
            b' '
        } else {
            byte
        }
    };
    let text: Vec<u8> = cx.arg(2).iter().map(blank).collect();
    out.error_bytes(&text);
    Ok(())
}

/// Answers an example of a type of the protocol.
pub(super) fn protocol(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let is_resp3 = out.protocol() == oxidis_resp::Protocol::Resp3;
    match &cx.arg(2).to_ascii_lowercase()[..] {
        b"string" => out.bulk(b"Hello World"),
        b"integer" => out.integer(12345),
        // Given as its text: it only looks like pi.
        b"double" => out.double_text(b"3.141"),
        b"bignum" => out.big_number("1234567999999999999999999999999999999"),
        b"null" => out.null(),
        b"array" => {
            out.array(3);
            (0..3).for_each(|n| out.integer(n));
        }
        b"set" => {
            out.set(3);
            (0..3).for_each(|n| out.integer(n));
        }
        b"map" => {
            out.map(3);
            for n in 0..3 {
                out.integer(n);
                out.boolean(n == 1);
            }
        }
        b"attrib" => {
            if is_resp3 {
                out.attribute(1);
                out.bulk(b"key-popularity");
                out.array(2);
                out.bulk(b"key:123");
                out.integer(90);
            }
            // An attribute is of a reply, which must follow.
            out.bulk(b"Some real reply following the attribute");
        }
        b"push" if !is_resp3 => {
            return Err(CommandError::text(
                "ERR RESP2 is not supported by this command",
            ));
        }
        b"push" => {
            // A push is not the reply. What a command gives rise to comes behind its reply.
            let mut pushed = Vec::new();
            let mut writer = oxidis_resp::Writer::new(&mut pushed, oxidis_resp::Protocol::Resp3);
            writer.push(2);
            writer.bulk(b"server-cpu-usage");
            writer.integer(42);
            cx.client.shared.post(Message::Push(pushed.into()));
            out.bulk(b"Some real reply following the push reply");
        }
        b"true" => out.boolean(true),
        b"false" => out.boolean(false),
        b"verbatim" => out.verbatim("txt", b"This is a verbatim\nstring"),
        _ => {
            return Err(CommandError::text(
                "ERR Wrong protocol type name. Please use one of the following: \
                 string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
            ));
        }
    }
    Ok(())
}
