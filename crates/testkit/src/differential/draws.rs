//! Judges what a server draws by chance, which no other server draws again.

use crate::Reply;
use crate::client::Words;
use crate::reply::join_words;

/// Whether what was drawn by chance is of the collection read just before: every element a member,
/// and without a negative count no element twice.
pub fn draw_mistake(words: &Words, all: &Reply, drawn: &Reply) -> Option<String> {
    let paired = words.len() > 3;
    let with_values =
        !words[0].eq_ignore_ascii_case(b"srandmember") && !words[0].eq_ignore_ascii_case(b"spop");
    let is_hash_or_zset = with_values && !words[0].eq_ignore_ascii_case(b"randomkey");
    let members = firsts(all, is_hash_or_zset);
    let drawn_members = match drawn {
        Reply::Bulk(_) => vec![drawn.clone()],
        other => firsts(other, paired),
    };
    if drawn.is_error() || drawn.is_null() {
        return None;
    }
    if let Some(stranger) = drawn_members
        .iter()
        .find(|member| !members.contains(member))
    {
        return Some(format!(
            "{}: drew what is not there: {stranger}",
            join_words(words)
        ));
    }
    let may_repeat = words.get(2).is_some_and(|count| count.starts_with(b"-"));
    let mut sorted = drawn_members.clone();
    sorted.sort();
    sorted.dedup();
    if !may_repeat && sorted.len() != drawn_members.len() {
        return Some(format!(
            "{}: drew an element twice: {drawn}",
            join_words(words)
        ));
    }
    None
}

/// The members, without the values or scores that stand beside them in one way or another.
fn firsts(reply: &Reply, paired: bool) -> Vec<Reply> {
    match reply {
        Reply::Map(pairs) => pairs.iter().map(|(key, _)| key.clone()).collect(),
        Reply::Array(parts) if matches!(parts.as_slice(), [Reply::Bulk(_), Reply::Array(_)]) => {
            // A cursor and what SCAN found.
            firsts(&parts[1], false)
        }
        other => {
            let elements = other.elements().unwrap_or_default();
            let nested: Option<Vec<Reply>> = elements
                .iter()
                .map(|element| element.elements()?.first().cloned())
                .collect();
            match nested {
                Some(members) => members,
                None => elements
                    .iter()
                    .step_by(if paired { 2 } else { 1 })
                    .cloned()
                    .collect(),
            }
        }
    }
}
