//! What is asked of the server before the first test: what it does for durability, which belongs
//! beside its figures.

use std::io::Write;

use oxidis_client::{ConnectionError, ReplyReader, Stream, Target};
use oxidis_resp::{Value, write_request};

/// How a server makes data durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConfiguration {
    /// Its directive `save`.
    pub save: String,
    /// Its directive `appendonly`.
    pub appendonly: String,
}

/// The server lets nobody in who says what we say.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(String);

/// Authenticates as the load will, and asks; `None` where the server does not tell.
///
/// # Errors
/// When the server wants another password, or one at all.
pub fn fetch(stream: &mut Stream, target: &Target) -> Result<Option<ServerConfiguration>, Refusal> {
    let mut exchange = Exchange {
        stream,
        replies: ReplyReader::default(),
    };
    if let Some(arguments) = authentication(target)
        && let Ok(Value::Error(text)) = exchange.ask(&arguments)
    {
        return Err(refusal(&text));
    }
    let mut values = [String::new(), String::new()];
    for (value, directive) in values.iter_mut().zip(["save", "appendonly"]) {
        match exchange.ask(&[b"CONFIG", b"GET", directive.as_bytes()]) {
            Ok(Value::Error(text)) if text.starts_with(b"NOAUTH") => return Err(refusal(&text)),
            Ok(Value::Array(pair)) if pair.len() >= 2 => {
                let bytes = pair[1].as_bytes().unwrap_or_default();
                *value = String::from_utf8_lossy(bytes).into_owned();
            }
            _ => return Ok(None),
        }
    }
    let [save, appendonly] = values;
    Ok(Some(ServerConfiguration { save, appendonly }))
}

/// The request that authenticates at a target, where it wants one.
pub fn authentication(target: &Target) -> Option<Vec<&[u8]>> {
    let password = target.password.as_deref()?;
    let user = target.user.as_deref();
    Some(
        [Some(&b"AUTH"[..]), user, Some(password)]
            .into_iter()
            .flatten()
            .collect(),
    )
}

fn refusal(text: &[u8]) -> Refusal {
    Refusal(String::from_utf8_lossy(text).into_owned())
}

struct Exchange<'a> {
    stream: &'a mut Stream,
    replies: ReplyReader,
}

impl Exchange<'_> {
    fn ask(&mut self, arguments: &[&[u8]]) -> Result<Value, ConnectionError> {
        let mut request = Vec::new();
        write_request(arguments, &mut request);
        self.stream.write_all(&request)?;
        self.replies.receive(self.stream)
    }
}
