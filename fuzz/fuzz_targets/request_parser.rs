//! The request parser must find the same in a stream whether it comes whole or in pieces, and
//! what it finds must be requests: written anew, they parse to themselves.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oxidis_resp::{Parsed, ProtocolError, RequestLimits, RequestParser, Source, write_request};

type Outcome = (Vec<Vec<Vec<u8>>>, Option<ProtocolError>);

fn parse<'a>(limits: RequestLimits, pieces: impl Iterator<Item = &'a [u8]>) -> Outcome {
    let mut parser = RequestParser::new();
    parser.set_limits(limits);
    let (mut buffer, mut spans, mut requests) = (Vec::new(), Vec::new(), Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            spans.clear();
            match parser.parse(&buffer, &mut spans) {
                Ok(Parsed::Request { consumed, source }) => {
                    assert!(!spans.is_empty() && consumed <= buffer.len());
                    let bytes = match source {
                        Source::Input => &buffer[..consumed],
                        Source::Unescaped => parser.unescaped(),
                    };
                    // Not `Span::of`, which forgives what must not happen.
                    requests.push(
                        spans
                            .iter()
                            .map(|span| bytes[span.start..span.end].to_vec())
                            .collect(),
                    );
                    buffer.drain(..consumed);
                }
                Ok(Parsed::Incomplete { consumed, hint }) => {
                    assert!(hint >= 1 && spans.is_empty());
                    buffer.drain(..consumed);
                    break;
                }
                Err(error) => return (requests, Some(error)),
            }
        }
    }
    (requests, None)
}

fuzz_target!(|data: &[u8]| {
    let [settings, stream @ ..] = data else {
        return;
    };
    let limits = RequestLimits {
        bulk_max_bytes: 1 << 20,
        unauthenticated: settings & 1 == 1,
    };
    let piece_length = usize::from(settings >> 1) + 1;

    let whole = parse(limits, [stream].into_iter());
    assert_eq!(parse(limits, stream.chunks(piece_length)), whole);
    assert_eq!(parse(limits, stream.chunks(1)), whole);

    let mut rewritten = Vec::new();
    for request in &whole.0 {
        write_request(request, &mut rewritten);
    }
    let reread = parse(RequestLimits::default(), [&rewritten[..]].into_iter());
    assert_eq!(reread, (whole.0, None));
});
