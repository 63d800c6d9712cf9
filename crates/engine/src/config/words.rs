//! The words of a configuration line: quoting what must be, so that splitting gives it back.

use oxidis_resp::inline::quote_into;

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
