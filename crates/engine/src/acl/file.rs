//! The text of an ACL file: a line `user NAME RULES` for each user. Reading and writing it is the host's affair.

use super::rules::{RuleError, has_spaces, merge_selectors};
use super::{DEFAULT_USER, User, Users};
use crate::config::AclPubsubDefault;

/// The users that a file describes; the default user too, if it does not.
///
/// # Errors
/// Everything that is wrong with it, in one text as Redis has it. `path` is for that.
pub(super) fn parse(text: &[u8], path: &str, channels: AclPubsubDefault) -> Result<Users, String> {
    let mut users = Users::default();
    let mut complaints = String::new();
    for (index, line) in text.split(|&byte| byte == b'\n').enumerate() {
        if let Err(complaint) = parse_line(line, (path, index + 1), channels, &mut users) {
            complaints.push_str(&complaint);
        }
    }
    if !complaints.is_empty() {
        complaints.push_str(
            "WARNING: ACL errors detected, no change to the previously active ACL rules was performed",
        );
        return Err(complaints);
    }
    if users.get(DEFAULT_USER).is_none() {
        let mut user = User::all_powerful(DEFAULT_USER);
        user.set_new_channels(channels);
        users.insert(user);
    }
    Ok(users)
}

fn parse_line(
    line: &[u8],
    (path, number): (&str, usize),
    channels: AclPubsubDefault,
    users: &mut Users,
) -> Result<(), String> {
    let line = line.trim_ascii();
    if line.is_empty() {
        return Ok(());
    }
    let words: Vec<Vec<u8>> = line
        .split(|&byte| byte == b' ')
        .map(<[u8]>::to_vec)
        .collect();
    let (b"user", [name, rules @ ..]) = (&words[0][..], &words[1..]) else {
        return Err(format!(
            "{path}:{number} should start with user keyword followed by the username. "
        ));
    };
    let shown = String::from_utf8_lossy(name);
    if has_spaces(name) {
        return Err(format!(
            "'{path}:{number}: username '{shown}' contains invalid characters. "
        ));
    }
    if users.get(name).is_some() {
        return Err(format!(
            "WARNING: Duplicate user '{shown}' found on line {number}. "
        ));
    }
    let mut user = User::new(name, channels);
    let mut complaints = String::new();
    match merge_selectors(rules) {
        Err(_) => {
            complaints = format!("{path}:{number}: Unmatched parenthesis in selector definition.");
        }
        Ok(rules) => {
            let mut has_complained = false;
            for rule in &rules {
                let rule = rule.trim_ascii();
                match user.apply(rule) {
                    Ok(()) => {}
                    Err(RuleError::Unknown) => {
                        let rule = String::from_utf8_lossy(rule);
                        complaints.push_str(&format!(
                            "{path}:{number}: Error in applying operation '{rule}': {}. ",
                            RuleError::Unknown
                        ));
                    }
                    // What else is wrong may be secret, and often follows from what was wrong first.
                    Err(error) if !has_complained => {
                        complaints.push_str(&format!("{path}:{number}: {error}. "));
                        has_complained = true;
                    }
                    Err(_) => {}
                }
            }
        }
    }
    users.insert(user);
    if complaints.is_empty() {
        Ok(())
    } else {
        Err(complaints)
    }
}

/// The text of a file that describes these users.
pub(super) fn text_of(users: &Users) -> Vec<u8> {
    let line = |user: &std::sync::Arc<User>| {
        [b"user ", user.name(), b" ", &user.definition()[..], b"\n"].concat()
    };
    users.iter().flat_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(text: &str) -> String {
        parse(text.as_bytes(), "f", AclPubsubDefault::ResetChannels).unwrap_err()
    }

    #[test]
    fn a_text_comes_back() {
        let text = b"user alice on ~a +get (~b +set)\n\n  user bob off >p\r\n";
        let users = parse(text, "f", AclPubsubDefault::ResetChannels).unwrap();
        let names: Vec<&[u8]> = users.iter().map(|user| user.name()).collect();
        assert_eq!(names, [&b"alice"[..], b"bob", b"default"]);
        let again = parse(&text_of(&users), "f", AclPubsubDefault::ResetChannels).unwrap();
        assert!(users.iter().eq(again.iter()));
    }

    #[test]
    fn a_pattern_of_all_keys_comes_back_beside_others() {
        let mut users = Users::default();
        let mut user = User::new(b"u", AclPubsubDefault::ResetChannels);
        // Both answer `~*`, as Redis does, and behind that as a rule no pattern may stand.
        for rule in ["%RW~*", "~a", "(%R~* %W~* ~b)"] {
            user.apply(rule.as_bytes()).unwrap();
        }
        let shown = "off sanitize-payload ~* ~a resetchannels -@all (~* ~b resetchannels -@all)";
        assert_eq!(String::from_utf8(user.describe()).unwrap(), shown);
        users.insert(user);
        let again = parse(&text_of(&users), "f", AclPubsubDefault::ResetChannels).unwrap();
        assert_eq!(again.get(b"u"), users.get(b"u"));
    }

    #[test]
    fn odd_words_in_selectors_come_back() {
        let mut users = Users::default();
        let mut user = User::new(b"u", AclPubsubDefault::ResetChannels);
        for rule in [r"(~a) ~b\) +get|x))", r#"("~a\"b" "&'\x01")"#, "(&c))"] {
            user.apply(rule.as_bytes()).unwrap();
        }
        users.insert(user);
        let again = parse(&text_of(&users), "f", AclPubsubDefault::ResetChannels).unwrap();
        assert_eq!(again.get(b"u"), users.get(b"u"));
    }

    #[test]
    fn everything_that_is_wrong_is_said() {
        let end = "WARNING: ACL errors detected, no change to the previously active ACL rules was performed";
        assert_eq!(
            errors("user a +nope >x %%\n\nuser a on\nfoo"),
            format!(
                "f:1: Error in applying operation '+nope': Unknown command or category name in ACL. f:1: \
                 Syntax error. WARNING: Duplicate user 'a' found on line 3. f:4 should start with user \
                 keyword followed by the username. {end}"
            )
        );
        assert_eq!(
            errors("user a (+get"),
            format!("f:1: Unmatched parenthesis in selector definition.{end}")
        );
    }
}
