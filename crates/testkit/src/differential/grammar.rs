//! The little language in which `commands` describes calls, and the drawing of calls from it.
//!
//! A template is a line of words. Words in capitals stand for themselves, words in small letters
//! for a kind of argument, `'word` for that word; `[a]` may be absent, `(a|b)` and `[a|b]` choose, `...` repeats what
//! stands before it.

use fastrand::Rng;

/// A part of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// Stands for itself.
    Literal(&'static str),
    /// A kind of argument, drawn from a pool.
    Argument(&'static str),
    /// Present half of the time.
    Optional(Box<Node>),
    /// One of them.
    Choice(Vec<Node>),
    /// Once or more.
    Repeat(Box<Node>),
    /// All of them, one after the other.
    Sequence(Vec<Node>),
}

/// Parses a template.
///
/// # Panics
/// When the template is malformed: templates are constants of this crate, checked by a test.
pub fn parse(template: &'static str) -> Node {
    let mut tokens = tokenize(template);
    let node = parse_choice(&mut tokens);
    assert!(tokens.is_empty(), "unbalanced brackets in {template:?}");
    node
}

fn tokenize(template: &'static str) -> Vec<&'static str> {
    let mut tokens = Vec::new();
    for word in template.split_whitespace() {
        let mut rest = word;
        while !rest.is_empty() {
            let len = match rest.as_bytes()[0] {
                b'[' | b']' | b'(' | b')' | b'|' => 1,
                b'.' => 3,
                _ => rest
                    .find(['[', ']', '(', ')', '|', '.'])
                    .unwrap_or(rest.len()),
            };
            tokens.push(&rest[..len]);
            rest = &rest[len..];
        }
    }
    tokens.reverse();
    tokens
}

/// Tokens are a stack: the next one is last.
fn parse_choice(tokens: &mut Vec<&'static str>) -> Node {
    let mut branches = vec![parse_sequence(tokens)];
    while tokens.last() == Some(&"|") {
        tokens.pop();
        branches.push(parse_sequence(tokens));
    }
    if branches.len() == 1 {
        branches.remove(0)
    } else {
        Node::Choice(branches)
    }
}

fn parse_sequence(tokens: &mut Vec<&'static str>) -> Node {
    let mut nodes = Vec::new();
    while let Some(&token) = tokens.last() {
        if matches!(token, "|" | "]" | ")") {
            break;
        }
        tokens.pop();
        let node = match token {
            "[" => {
                let inner = parse_choice(tokens);
                assert_eq!(tokens.pop(), Some("]"));
                Node::Optional(Box::new(inner))
            }
            "(" => {
                let inner = parse_choice(tokens);
                assert_eq!(tokens.pop(), Some(")"));
                inner
            }
            "..." => {
                let repeated = nodes.pop().expect("something stands before ...");
                Node::Repeat(Box::new(repeated))
            }
            word if word.starts_with('\'') => Node::Literal(&word[1..]),
            word if word.starts_with(|first: char| first.is_ascii_lowercase()) => {
                Node::Argument(word)
            }
            word => Node::Literal(word),
        };
        nodes.push(node);
    }
    Node::Sequence(nodes)
}

/// Draws one call from the template. `argument` appends the words for a kind of argument.
pub fn draw(
    node: &Node,
    rng: &mut Rng,
    out: &mut Vec<Vec<u8>>,
    argument: &mut impl FnMut(&'static str, &mut Rng, &mut Vec<Vec<u8>>),
) {
    match node {
        Node::Literal(word) => out.push(word.as_bytes().to_vec()),
        Node::Argument(kind) => argument(kind, rng, out),
        Node::Optional(inner) => {
            if rng.u8(..) < 96 {
                draw(inner, rng, out, argument);
            }
        }
        Node::Choice(branches) => {
            let branch = rng.usize(..branches.len());
            draw(&branches[branch], rng, out, argument);
        }
        Node::Repeat(inner) => {
            for _ in 0..repetitions(rng) {
                draw(inner, rng, out, argument);
            }
        }
        Node::Sequence(nodes) => nodes.iter().for_each(|node| draw(node, rng, out, argument)),
    }
}

/// Appends every word that stands for itself.
pub fn literals(node: &Node, out: &mut Vec<&'static str>) {
    match node {
        Node::Literal(word) => out.push(word),
        Node::Argument(_) => {}
        Node::Optional(inner) | Node::Repeat(inner) => literals(inner, out),
        Node::Choice(nodes) | Node::Sequence(nodes) => {
            nodes.iter().for_each(|node| literals(node, out));
        }
    }
}

/// Mostly one or a few; now and then enough to carry a small collection over its limit.
fn repetitions(rng: &mut Rng) -> usize {
    match rng.u16(..1000) {
        0..450 => 1,
        450..985 => rng.usize(2..6),
        985..998 => rng.usize(6..40),
        _ => rng.usize(100..700),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_draw_is_a_sentence_of_the_template() {
        let node = parse("SET key value [NX|XX] [GET] [(EX|PX) ttl|KEEPTTL] field...");
        let mut rng = Rng::with_seed(7);
        let (mut seen_nx, mut seen_keepttl, mut seen_plain) = (false, false, false);
        for _ in 0..500 {
            let mut words = Vec::new();
            draw(&node, &mut rng, &mut words, &mut |kind, _, out| {
                out.push(kind.as_bytes().to_vec())
            });
            let text = words
                .iter()
                .map(|word| String::from_utf8_lossy(word))
                .collect::<Vec<_>>()
                .join(" ");
            assert!(text.starts_with("SET key value "), "{text}");
            assert!(text.ends_with("field"), "{text}");
            assert_eq!(
                text.contains(" ttl"),
                text.contains(" EX ttl") || text.contains(" PX ttl"),
                "{text}"
            );
            seen_nx |= text.contains(" NX");
            seen_keepttl |= text.contains(" KEEPTTL");
            seen_plain |= text == "SET key value field";
        }
        assert!(seen_nx && seen_keepttl && seen_plain);
    }
}
