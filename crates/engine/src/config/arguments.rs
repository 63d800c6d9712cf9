//! The command line of the server as a configuration text: `--port 7000 --save ''` becomes the lines
//! `port "7000"` and `save ""`, which are read after the file.

use oxidis_resp::inline;

/// What a command line says about the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommandLine {
    /// The configuration file, if the first argument is one.
    pub config_file: Option<Vec<u8>>,
    /// Whether a `-` asks for more configuration from the standard input.
    pub read_stdin: bool,
    /// The options, a line each.
    pub options: Vec<u8>,
}

impl CommandLine {
    /// The whole configuration text: file, standard input, options. The last word wins.
    pub fn assemble(&self, file: &[u8], stdin: &[u8]) -> Vec<u8> {
        [file, stdin, b"\n", &self.options].concat()
    }
}

/// Reads the arguments of the program, without its name, as redis-server does.
///
/// An argument with two leading dashes begins an option, unless the option before it still lacks a
/// value, so that `--requirepass --secret` is a password. `--save` alone is the exception: followed
/// by an option, or last, it means `--save ''`. Name and value may stand in one argument, parted by a space.
pub fn parse_arguments(arguments: &[Vec<u8>]) -> CommandLine {
    let mut line = CommandLine::default();
    let mut first = 0;
    if let Some(path) = arguments
        .first()
        .filter(|argument| !argument.starts_with(b"-"))
    {
        line.config_file = Some(path.clone());
        first = 1;
    }
    let mut has_value = true;
    for (index, argument) in arguments.iter().enumerate().skip(first) {
        let next = arguments.get(index + 1);
        if argument == b"-" && (index == 0 || next.is_none()) {
            line.read_stdin = true;
        } else if let Some(option) = argument.strip_prefix(b"--").filter(|_| has_value) {
            if !line.options.is_empty() {
                line.options.push(b'\n');
            }
            line.options.extend(option);
            line.options.push(b' ');
            // With one word there is only a name so far, as in `--port`.
            has_value = inline::split(argument).map_or(true, |words| words.len() != 1);
            let ends_here = next.is_none_or(|next| next.starts_with(b"--"));
            if !has_value && ends_here && argument.eq_ignore_ascii_case(b"--save") {
                line.options.extend(b"\"\"");
                has_value = true;
            } else if !has_value && ends_here && argument.eq_ignore_ascii_case(b"--sentinel") {
                has_value = true;
            }
        } else {
            inline::quote_into(&mut line.options, argument);
            line.options.push(b' ');
            has_value = true;
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> (Option<String>, bool, String) {
        let arguments: Vec<Vec<u8>> = arguments
            .iter()
            .map(|argument| argument.as_bytes().to_vec())
            .collect();
        let line = parse_arguments(&arguments);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (
            line.config_file.map(text),
            line.read_stdin,
            text(line.options),
        )
    }

    #[test]
    fn file_stdin_and_options() {
        assert_eq!(
            parse(&["a.conf", "--port", "1", "-"]),
            (Some("a.conf".into()), true, "port \"1\" ".into())
        );
        assert_eq!(parse(&["-"]), (None, true, String::new()));
        assert_eq!(
            parse(&["--bind", "a", "b", "--port 2"]).2,
            "bind \"a\" \"b\" \nport 2 "
        );
        assert_eq!(parse(&["--port=7"]).2, "port=7 ");
        assert_eq!(
            parse(&["--requirepass", "--x", "--hz", "1"]).2,
            "requirepass \"--x\" \nhz \"1\" "
        );
        assert_eq!(
            parse(&["--save", "--port", "1"]).2,
            "save \"\"\nport \"1\" "
        );
        assert_eq!(
            parse(&["--port", "1", "--save"]).2,
            "port \"1\" \nsave \"\""
        );
        assert_eq!(parse(&["--save", ""]).2, "save \"\" ");
    }

    #[test]
    fn a_dash_in_the_middle_is_a_value() {
        assert_eq!(
            parse(&["--requirepass", "-", "--hz", "1"]),
            (None, false, "requirepass \"-\" \nhz \"1\" ".into())
        );
    }
}
