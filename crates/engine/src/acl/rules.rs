//! The grammar of rules, as far as it concerns no single user: what can be wrong with a rule, and how rules that
//! were split at spaces are put together again.

/// What is wrong with a rule. The texts are Redis's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say it")]
pub enum RuleError {
    #[error("Unknown command or category name in ACL")]
    Unknown,
    #[error("Syntax error")]
    Syntax,
    #[error(
        "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any \
         effect. Try 'resetkeys' to start with an empty list of patterns"
    )]
    UselessKeyPattern,
    #[error(
        "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any \
         effect. Try 'resetchannels' to start with an empty list of channels"
    )]
    UselessChannelPattern,
    #[error("The password you are trying to remove from the user does not exist")]
    NoSuchPassword,
    #[error(
        "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
    )]
    BadHash,
    #[error("Duplicate user found. A user can only be defined once in config files")]
    DuplicateUser,
    #[error("Allowing first-arg of a subcommand is not supported")]
    ArgumentOfSubcommand,
}

/// Whether a name or pattern has bytes that would not come back from the text form of a user: white space and NUL.
pub(super) fn has_spaces(text: &[u8]) -> bool {
    text.iter()
        .any(|byte| matches!(byte, 0 | b' ' | b'\t'..=b'\r'))
}

/// Puts selectors together again whose rules stand in several arguments.
///
/// # Errors
/// The index of the argument whose parenthesis is never closed.
pub(super) fn merge_selectors(arguments: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, usize> {
    let mut merged: Vec<Vec<u8>> = Vec::with_capacity(arguments.len());
    let mut open: Option<(usize, Vec<u8>)> = None;
    for (index, argument) in arguments.iter().enumerate() {
        let is_end = argument.ends_with(b")");
        if open.is_none() && argument.starts_with(b"(") && !is_end {
            open = Some((index, argument.clone()));
            continue;
        }
        match &mut open {
            Some((_, selector)) => {
                selector.push(b' ');
                selector.extend_from_slice(argument);
                if is_end && let Some((_, selector)) = open.take() {
                    merged.push(selector);
                }
            }
            None => merged.push(argument.clone()),
        }
    }
    match open {
        Some((index, _)) => Err(index),
        None => Ok(merged),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<Vec<u8>> {
        text.split(' ')
            .map(|word| word.as_bytes().to_vec())
            .collect()
    }

    /// Since 7.2 a parenthesis within a selector opens none.
    #[test]
    fn the_first_open_parenthesis_is_told_of() {
        assert_eq!(merge_selectors(&words("on (+get (+set")), Err(1));
        assert_eq!(
            merge_selectors(&words("(( on ( ()")),
            Ok(vec![b"(( on ( ()".to_vec()])
        );
    }

    #[test]
    fn selectors_are_put_together() {
        let merged = merge_selectors(&words("on (+get ~a) off (+set) (~b")).unwrap_err();
        assert_eq!(merged, 5);
        let merged = merge_selectors(&words("on (+get ~a) off (+set)")).unwrap();
        assert_eq!(merged, [&b"on"[..], b"(+get ~a)", b"off", b"(+set)"]);
    }
}
