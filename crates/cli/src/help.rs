//! What commands there are and how they are called: the source of the prompt's
//! completion, its hints and its HELP.

use oxidis_engine::command;
use oxidis_resp::{Value, inline};

use crate::connection::{Connection, call};

/// The commands that a server has, in the order of their names.
#[derive(Debug, Clone, Default)]
pub struct Help {
    commands: Vec<CommandHelp>,
}

/// One command or subcommand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandHelp {
    /// Its words, in capitals: `CONFIG GET`.
    pub name: String,
    /// What follows them, as people write it: `key [EX seconds]`.
    pub parameters: String,
    /// What it does, in a line.
    pub summary: String,
    /// The first Redis version that had it; empty where unknown.
    pub since: String,
    /// The group that it belongs to.
    pub group: String,
}

impl Help {
    /// Takes commands in any order.
    pub fn new(mut commands: Vec<CommandHelp>) -> Help {
        commands.sort_by(|one, other| one.name.cmp(&other.name));
        Help { commands }
    }

    /// The commands that Oxidis itself has, for when no server tells.
    pub fn built_in() -> Help {
        let rows = command::table().all().iter();
        Help::new(
            rows.map(|row| CommandHelp {
                name: row.full_name.replace('|', " ").to_ascii_uppercase(),
                parameters: parameters(row.command.syntax),
                summary: row.command.summary.into(),
                since: row.command.since.into(),
                group: row.command.group.name().into(),
            })
            .collect(),
        )
    }

    /// The commands that a server has, `None` where it does not tell.
    pub fn ask(connection: &mut dyn Connection) -> Option<Help> {
        let reply = call(connection, &[b"COMMAND", b"DOCS"]).ok()?;
        let mut commands = Vec::new();
        for (name, specification) in pairs(&reply)? {
            read_command(text(name)?, specification, &mut commands)?;
        }
        Some(Help::new(commands))
    }

    /// What HELP prints about a topic: a command's words, `@group`, or nothing for help
    /// about help.
    pub fn describe(&self, topic: &[Vec<u8>]) -> Vec<u8> {
        let topic: Vec<_> = topic
            .iter()
            .map(|word| String::from_utf8_lossy(word))
            .collect();
        let Some(first) = topic.first() else {
            return ABOUT_HELP.into();
        };
        let mut out = String::new();
        if let Some(group) = first.strip_prefix('@') {
            let in_group = |command: &&CommandHelp| command.group.eq_ignore_ascii_case(group);
            for command in self.commands.iter().filter(in_group) {
                describe_command(command, false, &mut out);
            }
        } else {
            let topic = topic.join(" ");
            for command in self
                .commands
                .iter()
                .filter(|command| begins(&command.name, &topic))
            {
                describe_command(command, true, &mut out);
            }
        }
        out.push_str("\r\n");
        out.into_bytes()
    }

    /// The lines that `line` may become, and where the text begins that they replace.
    pub fn complete(&self, line: &str) -> (usize, Vec<String>) {
        let asks_help = line
            .get(..5)
            .is_some_and(|start| start.eq_ignore_ascii_case("help "));
        let start = match asks_help {
            true => line.len() - line[5..].trim_start().len(),
            false => 0,
        };
        let typed = &line[start..];
        let continues = |name: &str| {
            name.get(..typed.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(typed))
        };
        let mut candidates = Vec::new();
        if asks_help {
            let mut groups: Vec<_> = self
                .commands
                .iter()
                .map(|command| format!("@{}", command.group))
                .collect();
            groups.sort();
            groups.dedup();
            candidates.extend(groups.into_iter().filter(|group| continues(group)));
        }
        let names = self.commands.iter().map(|command| &command.name);
        candidates.extend(names.filter(|name| continues(name)).cloned());
        (start, candidates)
    }

    /// What is still to be typed after `line`, `None` where nothing is known of it.
    pub fn hint(&self, line: &str) -> Option<String> {
        let typed = inline::split(line.as_bytes()).ok()?;
        let (words, command) = self.find(&typed)?;
        let rest = skip_parameters(&command.parameters, typed.len() - words);
        let gap = if line.ends_with(char::is_whitespace) {
            ""
        } else {
            " "
        };
        (!rest.is_empty()).then(|| format!("{gap}{rest}"))
    }

    /// Where the words end in `line` that name a command, 0 where they name none.
    pub fn command_end(&self, line: &str) -> usize {
        let mut ends = Vec::new();
        let mut in_word = false;
        for (at, character) in line.char_indices() {
            if character.is_ascii_whitespace() && in_word {
                ends.push(at);
            }
            in_word = !character.is_ascii_whitespace();
        }
        if in_word {
            ends.push(line.len());
        }
        let words: Vec<Vec<u8>> = line
            .split_ascii_whitespace()
            .map(|word| word.into())
            .collect();
        self.find(&words).map_or(0, |(count, _)| ends[count - 1])
    }

    /// The command that the first words name, and how many words those are.
    fn find(&self, typed: &[Vec<u8>]) -> Option<(usize, &CommandHelp)> {
        let names = |command: &CommandHelp| {
            let mut words = command.name.split(' ').zip(typed);
            words.all(|(word, typed)| typed.eq_ignore_ascii_case(word.as_bytes()))
        };
        self.commands
            .iter()
            .map(|command| (command.name.split(' ').count(), command))
            .filter(|(words, command)| *words <= typed.len() && names(command))
            // CONFIG GET is a better match than CONFIG.
            .max_by_key(|(words, _)| *words)
    }
}

/// The types that the command table writes behind a name where the name does not tell.
const TYPES: [&str; 8] = [
    "key",
    "string",
    "integer",
    "double",
    "pattern",
    "unix-time",
    "token",
    "pure-token",
];

/// What people read of a syntax in the command table: names without their types and versions, groups
/// without their names and the parentheses that hold them together.
fn parameters(syntax: &str) -> String {
    let words = syntax.split(' ').map(|word| {
        let name_start = word.rfind(['(', '[', '|']).map_or(0, |at| at + 1);
        let is_group_name = word.ends_with('=') && word.len() - name_start > 1;
        let shown = if is_group_name {
            &word[..name_start]
        } else {
            word
        };
        (without_types(shown), is_group_name)
    });
    let mut out = String::with_capacity(syntax.len());
    for (word, is_joined) in words {
        out.push_str(&word);
        out.push_str(if is_joined { "" } else { " " });
    }
    out.truncate(out.trim_end().len());
    out
}

fn without_types(syntax: &str) -> String {
    let mut out = String::with_capacity(syntax.len());
    let mut rest = syntax;
    while let Some(at) = rest.find([':', '(', ')', '@', '^']) {
        out.push_str(&rest[..at]);
        let (mark, after) = rest[at..].split_at(1);
        let word_end = after
            .find(|c: char| !c.is_ascii_lowercase() && c != '-')
            .unwrap_or(after.len());
        rest = match mark {
            ":" if TYPES.contains(&&after[..word_end]) => &after[word_end..],
            ":" => {
                out.push(':');
                after
            }
            "@" => after.trim_start_matches(|c: char| c.is_ascii_digit()),
            "^" => after.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '^'),
            _ => after,
        };
    }
    out + rest
}

/// Skips the parameters that have been typed, as far as it is certain which they
/// were: not beyond the first that may be left out.
fn skip_parameters(mut parameters: &str, typed: usize) -> &str {
    for _ in 0..typed {
        match parameters.find([' ', '[']) {
            Some(at) if parameters[at..].starts_with('[') => return &parameters[at..],
            Some(at) => parameters = &parameters[at + 1..],
            None => return "",
        }
    }
    parameters
}

/// Whether the words of `name` begin with those of `topic`.
fn begins(name: &str, topic: &str) -> bool {
    name.get(..topic.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(topic))
        && matches!(name.as_bytes().get(topic.len()), None | Some(b' '))
}

fn describe_command(command: &CommandHelp, with_group: bool, out: &mut String) {
    let CommandHelp {
        name,
        parameters,
        summary,
        since,
        group,
    } = command;
    out.push_str(&format!(
        "\r\n  \x1b[1m{name}\x1b[0m \x1b[90m{parameters}\x1b[0m\r\n"
    ));
    let mut field = |label: &str, value: &str| {
        out.push_str(&format!("  \x1b[33m{label}:\x1b[0m {value}\r\n"));
    };
    field("summary", summary);
    if !since.is_empty() {
        field("since", since);
    }
    if with_group {
        field("group", group);
    }
}

const ABOUT_HELP: &str = "\
HELP command     what a command does and takes; HELP CONFIG lists its subcommands too
HELP @group      the commands of a group
HELP and tab     the topics there are
QUIT or EXIT     leave
CLEAR            clear the screen
CONNECT host port
5 command        run a command five times
:set hints       show the parameters that are still to be typed
:set nohints     do not
Such settings are read from ~/.oxidisclirc when the prompt opens.
";

/// Reads what COMMAND DOCS says about one command and, after it, its subcommands.
fn read_command(name: &str, specification: &Value, commands: &mut Vec<CommandHelp>) -> Option<()> {
    let mut command = CommandHelp {
        name: name.replace('|', " ").to_ascii_uppercase(),
        parameters: String::new(),
        summary: String::new(),
        since: String::new(),
        group: String::new(),
    };
    let mut subcommands = Vec::new();
    for (key, value) in pairs(specification)? {
        match text(key)? {
            "summary" => command.summary = text(value)?.into(),
            "since" => command.since = text(value)?.into(),
            "group" => command.group = text(value)?.into(),
            "arguments" => command.parameters = read_arguments(value, " ")?,
            "subcommands" => subcommands = pairs(value)?,
            _ => {}
        }
    }
    commands.push(command);
    for (name, specification) in subcommands {
        read_command(text(name)?, specification, commands)?;
    }
    Some(())
}

fn read_arguments(arguments: &Value, separator: &str) -> Option<String> {
    let arguments: Option<Vec<String>> = elements(arguments)?.iter().map(read_argument).collect();
    Some(arguments?.join(separator))
}

/// Writes one argument of COMMAND DOCS as people write syntax.
fn read_argument(argument: &Value) -> Option<String> {
    let (mut name, mut kind, mut token) = ("", "", None);
    let (mut optional, mut multiple, mut multiple_token) = (false, false, false);
    let mut inner = None;
    for (key, value) in pairs(argument)? {
        match text(key)? {
            "name" => name = text(value)?,
            "type" => kind = text(value)?,
            "token" => token = Some(text(value)?),
            "arguments" => inner = Some(value),
            "flags" => {
                for flag in elements(value)? {
                    match text(flag)? {
                        "optional" => optional = true,
                        "multiple" => multiple = true,
                        "multiple_token" => multiple_token = true,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    let value = match kind {
        "oneof" => read_arguments(inner?, "|")?,
        "block" => read_arguments(inner?, " ")?,
        "pure-token" => String::new(),
        _ => or_empty_quotes(name).into(),
    };
    let token = match token.map(or_empty_quotes) {
        None => String::new(),
        Some(token) if kind == "pure-token" => token.into(),
        Some(token) => format!("{token} "),
    };
    let mut out = format!("{token}{value}");
    if multiple {
        let repeated_token = if multiple_token { &token } else { "" };
        out.push_str(&format!(" [{repeated_token}{value} ...]"));
    }
    Some(if optional { format!("[{out}]") } else { out })
}

fn or_empty_quotes(word: &str) -> &str {
    if word.is_empty() { "\"\"" } else { word }
}

/// A map's pairs, whether it came as a map or, in RESP2, as a flat array.
fn pairs(value: &Value) -> Option<Vec<(&Value, &Value)>> {
    match value {
        Value::Map(pairs) => Some(pairs.iter().map(|(key, value)| (key, value)).collect()),
        Value::Array(flat) => {
            let chunks = flat.chunks_exact(2);
            chunks
                .remainder()
                .is_empty()
                .then(|| chunks.map(|pair| (&pair[0], &pair[1])).collect())
        }
        _ => None,
    }
}

fn elements(value: &Value) -> Option<&[Value]> {
    match value {
        Value::Array(elements) | Value::Set(elements) => Some(elements),
        _ => None,
    }
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::Bulk(bytes) | Value::Simple(bytes) => std::str::from_utf8(bytes).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn help() -> Help {
        let command = |name: &str, parameters: &str, group: &str| CommandHelp {
            name: name.into(),
            parameters: parameters.into(),
            summary: format!("Does {name}."),
            since: "1.0.0".into(),
            group: group.into(),
        };
        Help::new(vec![
            command("SET", "key value [NX|XX] [GET]", "string"),
            command("GET", "key", "string"),
            command("GETEX", "key [PERSIST]", "string"),
            command("CONFIG", "", "server"),
            command("CONFIG GET", "parameter [parameter ...]", "server"),
        ])
    }

    #[test]
    fn syntaxes_are_shown_without_types_and_versions() {
        let shown = "key [ANY] [MINID id] [count]";
        let syntax = "key [ANY^6.2.0] [where^7.0.0= MINID^6.2.0 id:string] [count^^2.8.12= count:integer^7.0.0]";
        assert_eq!(parameters(syntax), shown);
    }

    #[test]
    fn hints_show_what_is_left_to_type() {
        let help = help();
        let hint = |line| help.hint(line);
        assert_eq!(hint("set"), Some(" key value [NX|XX] [GET]".into()));
        assert_eq!(hint("SET k "), Some("value [NX|XX] [GET]".into()));
        assert_eq!(
            hint("set \"two words\""),
            Some(" value [NX|XX] [GET]".into())
        );
        assert_eq!(hint("set k v nx "), Some("[NX|XX] [GET]".into()));
        assert_eq!(
            hint("config get "),
            Some("parameter [parameter ...]".into())
        );
        for silent in ["", "nothing", "get key", "set \"", "config"] {
            assert_eq!(hint(silent), None, "{silent}");
        }
    }

    #[test]
    fn the_command_table_is_known_without_a_server() {
        let help = Help::built_in();
        assert_eq!(help.hint("get"), Some(" key".into()));
        assert_eq!(help.hint("mset "), Some("key value [key value ...]".into()));
        assert!(help.complete("publi").1.contains(&"PUBLISH".to_string()));
        for command in &help.commands {
            let CommandHelp {
                name,
                parameters,
                summary,
                ..
            } = command;
            let shows_type = TYPES
                .iter()
                .any(|kind| parameters.contains(&format!(":{kind}")));
            assert!(!shows_type, "{name}: {parameters}");
            assert!(!summary.is_empty(), "{name}");
        }
    }

    #[test]
    fn types_are_not_shown() {
        assert_eq!(
            parameters("key [EX seconds:integer|PX ms:integer]"),
            "key [EX seconds|PX ms]"
        );
        assert_eq!(parameters("[ADDR ip:port:string]"), "[ADDR ip:port]");
        assert_eq!(parameters("(a b) [(a b) ...]"), "a b [a b ...]");
        assert_eq!(
            parameters("where= LEFT|RIGHT [condition= NX|XX] by= ((circle= R r)|(box= W w:key@2))"),
            "LEFT|RIGHT [NX|XX] R r|W w"
        );
        assert_eq!(parameters("(data= a b) [=|~]"), "a b [=|~]");
    }

    #[test]
    fn the_command_in_a_line_is_found() {
        let help = help();
        assert_eq!(help.command_end("  config  get x"), 13);
        assert_eq!(help.command_end("config x"), 6);
        assert_eq!(help.command_end("Set"), 3);
        assert_eq!(help.command_end("settle"), 0);
        assert_eq!(help.command_end(""), 0);
    }

    #[test]
    fn completion_offers_commands_and_after_help_groups_too() {
        let help = help();
        assert_eq!(help.complete("ge"), (0, vec!["GET".into(), "GETEX".into()]));
        assert_eq!(help.complete("config g"), (0, vec!["CONFIG GET".into()]));
        assert_eq!(
            help.complete("help  @s"),
            (6, vec!["@server".into(), "@string".into()])
        );
        assert_eq!(help.complete("HELP se"), (5, vec!["SET".into()]));
        assert_eq!(help.complete("@s").1, Vec::<String>::new());
        assert_eq!(help.complete("é").1, Vec::<String>::new());
    }

    #[test]
    fn a_topic_is_words_or_a_group() {
        let help = help();
        let described = |topic: &str| {
            let words: Vec<Vec<u8>> = topic
                .split(' ')
                .map(|word| word.as_bytes().into())
                .collect();
            String::from_utf8(help.describe(&words))
                .unwrap()
                .matches("summary")
                .count()
        };
        assert_eq!(described("get"), 1);
        assert_eq!(described("config"), 2);
        assert_eq!(described("Config Get"), 1);
        assert_eq!(described("@string"), 3);
        assert_eq!(described("nothing"), 0);
    }
}
