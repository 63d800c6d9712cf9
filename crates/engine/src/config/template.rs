//! Templates of `proc-title-template`: text with variables in braces. What the variables stand for is not
//! known here.

/// The template with its variables filled in, without blanks at the ends. `{name}` is a variable, for which
/// `value_of` gives the text; `{{` stands for a brace.
///
/// `None` if a brace is not closed, or a variable is one that nobody knows.
pub fn expand_template(
    template: &[u8],
    value_of: impl Fn(&[u8]) -> Option<Vec<u8>>,
) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    let mut rest = template;
    while let Some((&byte, after)) = rest.split_first() {
        if byte != b'{' {
            text.push(byte);
            rest = after;
        } else if let Some(after) = after.strip_prefix(b"{") {
            text.push(b'{');
            rest = after;
        } else {
            let length = after.iter().position(|&byte| byte == b'}')?;
            text.extend(value_of(&after[..length])?);
            rest = &after[length + 1..];
        }
    }
    let is_seen = |byte: &u8| *byte != b' ';
    let start = text.iter().position(is_seen).unwrap_or(text.len());
    let end = text
        .iter()
        .rposition(is_seen)
        .map_or(start, |last| last + 1);
    Some(text[start..end].to_vec())
}

#[cfg(test)]
mod tests {
    use super::expand_template;

    #[test]
    fn variables_are_filled_in_and_blanks_at_the_ends_go() {
        let expand = |template: &str| {
            let text = expand_template(template.as_bytes(), |name| match name {
                b"a" => Some(b"1".to_vec()),
                b"none" => Some(Vec::new()),
                _ => None,
            });
            text.map(|text| String::from_utf8(text).unwrap())
        };
        assert_eq!(expand("x {a}-{a} {none}").as_deref(), Some("x 1-1"));
        assert_eq!(expand(" {{a} ").as_deref(), Some("{a}"));
        assert_eq!(expand("{none} ").as_deref(), Some(""));
        assert_eq!(expand("{b}"), None);
        assert_eq!(expand("{a"), None);
    }
}
