//! The words of a configuration line: quoting what must be, so that splitting gives it back.

/// Appends `word` in double quotes, so that [`split`](oxidis_resp::inline::split) gives it back.
pub(super) fn quote_into(line: &mut Vec<u8>, word: &[u8]) {
    line.push(b'"');
    for &byte in word {
        match byte {
            b'\\' | b'"' => line.extend([b'\\', byte]),
            b'\n' => line.extend(b"\\n"),
            b'\r' => line.extend(b"\\r"),
            b'\t' => line.extend(b"\\t"),
            0x07 => line.extend(b"\\a"),
            0x08 => line.extend(b"\\b"),
            b' '..=b'~' => line.push(byte),
            _ => line.extend(format!("\\x{byte:02x}").bytes()),
        }
    }
    line.push(b'"');
}

/// Appends `word`, in quotes only if it would not survive without.
pub(super) fn quote_if_needed_into(line: &mut Vec<u8>, word: &[u8]) {
    let plain = !word.is_empty()
        && word
            .iter()
            .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'\\'));
    if plain {
        line.extend(word);
    } else {
        quote_into(line, word);
    }
}

/// Cuts blanks off both ends of a line.
pub(super) fn trim(line: &[u8]) -> &[u8] {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    let start = line.iter().take_while(|byte| is_blank(byte)).count();
    let end = line[start..]
        .iter()
        .rev()
        .take_while(|byte| is_blank(byte))
        .count();
    &line[start..line.len() - end]
}

#[cfg(test)]
mod tests {
    use oxidis_resp::inline::split;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_quoted_is_split_into_itself(list in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..5)) {
            let mut line = Vec::new();
            for word in &list {
                quote_into(&mut line, word);
                line.push(b' ');
            }
            prop_assert_eq!(split(&line), Ok(list.clone()));
            line.clear();
            for word in &list {
                quote_if_needed_into(&mut line, word);
                line.push(b' ');
            }
            prop_assert_eq!(split(&line), Ok(list));
        }
    }
}
