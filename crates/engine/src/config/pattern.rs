//! Glob patterns over the names of directives.

/// Whether a name, which is in lower case, matches a pattern in any case.
pub(super) fn matches(pattern: &[u8], name: &[u8]) -> bool {
    glob(&pattern.to_ascii_lowercase(), name)
}

fn glob(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern, name) {
        ([], _) => name.is_empty(),
        ([b'*', pattern @ ..], _) => {
            (0..=name.len()).any(|skipped| glob(pattern, &name[skipped..]))
        }
        ([b'?', pattern @ ..], [_, name @ ..]) => glob(pattern, name),
        ([b'\\', byte, pattern @ ..] | [byte, pattern @ ..], [first, name @ ..])
            if byte == first =>
        {
            glob(pattern, name)
        }
        _ => false,
    }
}
