//! The reply parser must find the same in a stream whether it comes whole or in pieces, and
//! what it finds must be replies: written anew, they parse to themselves.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oxidis_resp::{ReplyError, ReplyParser, Value};

type Outcome = (Vec<Value>, Option<ReplyError>);

fn parse<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Outcome {
    let (mut parser, mut buffer, mut values) = (ReplyParser::new(), Vec::new(), Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match parser.parse(&buffer) {
                Ok(parsed) => {
                    buffer.drain(..parsed.consumed);
                    match parsed.value {
                        Some(value) => values.push(value),
                        None => break,
                    }
                }
                Err(error) => return (values, Some(error)),
            }
        }
    }
    (values, None)
}

fuzz_target!(|data: &[u8]| {
    let [piece_length, stream @ ..] = data else {
        return;
    };
    let whole = parse([stream].into_iter());
    assert_eq!(parse(stream.chunks(usize::from(*piece_length) + 1)), whole);
    assert_eq!(parse(stream.chunks(1)), whole);

    let mut rewritten = Vec::new();
    for value in &whole.0 {
        value.write_to(&mut rewritten);
    }
    assert_eq!(parse([&rewritten[..]].into_iter()), (whole.0, None));
});
