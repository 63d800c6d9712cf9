//! `--eval`: a Lua script from a file, with keys and arguments from the command line.

use std::fs;
use std::path::Path;

use crate::client::{Client, Disconnected, Exit};
use oxidis_client::describe;

/// Runs the script. Among the words of the command line a lone comma parts the keys from
/// the other arguments.
pub fn eval(client: &mut Client, file: &Path) -> Result<Result<(), Disconnected>, Exit> {
    let request = read_request(file, &client.options.command)?;
    client.run(&request, client.options.repeat)
}

/// The request that runs the script in `file` with these words of the command line.
pub(super) fn read_request(file: &Path, words: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, Exit> {
    let script = fs::read(file).map_err(|error| {
        eprintln!("Can't open file '{}': {}", file.display(), describe(&error));
        Exit(1)
    })?;
    Ok(request(script, words))
}

fn request(script: Vec<u8>, words: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let comma = words.iter().position(|word| word == b",");
    let keys = &words[..comma.unwrap_or(words.len())];
    let arguments = comma.map_or(&[][..], |comma| &words[comma + 1..]);
    let mut request = vec![
        b"EVAL".to_vec(),
        script,
        keys.len().to_string().into_bytes(),
    ];
    request.extend_from_slice(keys);
    request.extend_from_slice(arguments);
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comma_parts_keys_from_arguments() {
        let words = |text: &str| -> Vec<Vec<u8>> {
            text.split_whitespace()
                .map(|word| word.as_bytes().to_vec())
                .collect()
        };
        let request = |text| request(b"s".to_vec(), &words(text));
        assert_eq!(request(""), words("EVAL s 0"));
        assert_eq!(request("a b"), words("EVAL s 2 a b"));
        assert_eq!(request("a , b , c"), words("EVAL s 1 a b , c"));
        assert_eq!(request(", b"), words("EVAL s 0 b"));
    }
}
