//! `cargo xtask style`: the rules of the house that a machine can check.
//!
//! * Every `.rs` file starts with `//!`: what lives there.
//! * `lib.rs` and `mod.rs` are tables of contents.
//! * `ARCHITECTURE.md` names every room of every crate, and no room that is not there.
//! * No file is too long to find one's way in.
//! * The pages that are written from tables are what the tables say.
//! * Nothing is left to be done, and nothing speaks of the machine that it was written on.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::{generate, workspace};

/// Longer files want to be two rooms.
const FILE_LINES_LIMIT: usize = 1_500;

/// Where the sources are.
const SOURCE_FOLDERS: &[&str] = &["crates", "tests", "fuzz"];

/// What no source may say. Each is written in two parts, so that this file does not say it.
const FORBIDDEN: &[(&str, &str)] = &[
    ("todo", "!("),
    ("unimplemented", "!("),
    ("dbg", "!("),
    ("FIX", "ME"),
    ("XX", "X:"),
    ("#[ign", "ore"),
    ("/ho", "me/"),
    ("/ro", "ot/"),
    ("/wo", "rk/main"),
    ("/wo", "rk/wt"),
    ("/wo", "rk/shared"),
    ("as an ", "AI"),
    ("AI ", "assistant"),
    ("language ", "model"),
];

/// Checks the whole workspace.
///
/// # Errors
/// When a rule is broken; every breach is printed.
pub fn run() -> Result<()> {
    let root = workspace::root();
    let mut files = Vec::new();
    for folder in SOURCE_FOLDERS {
        collect_sources(&root.join(folder), &mut files)?;
    }
    let mut breaches = Vec::new();
    for file in &files {
        let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let shown = file
            .strip_prefix(root)
            .unwrap_or(file)
            .display()
            .to_string();
        breaches.extend(source_breaches(&shown, &text));
    }
    let architecture = fs::read_to_string(root.join("ARCHITECTURE.md"))?;
    breaches.extend(architecture_breaches(
        &architecture,
        &rooms(root)?,
        |path| root.join(path).exists(),
    ));
    for breach in &breaches {
        println!("style: {breach}");
    }
    if !breaches.is_empty() {
        bail!("{} breaches of the rules of the house", breaches.len());
    }
    generate::check()?;
    println!(
        "style: {} source files keep the rules of the house",
        files.len()
    );
    Ok(())
}

fn collect_sources(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default();
        if path.is_dir() {
            if name != "target" && name != "corpus" && name != "artifacts" {
                collect_sources(&path, files)?;
            }
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(())
}

fn source_breaches(name: &str, text: &str) -> Vec<String> {
    let mut breaches = Vec::new();
    if !text.starts_with("//!") {
        breaches.push(format!(
            "{name}: does not start with //! and what lives there"
        ));
    }
    let lines = text.lines().count();
    if lines > FILE_LINES_LIMIT {
        breaches.push(format!(
            "{name}: {lines} lines, the limit is {FILE_LINES_LIMIT}: make it two rooms"
        ));
    }
    for (number, line) in text.lines().enumerate() {
        for (front, back) in FORBIDDEN {
            if line.contains(&format!("{front}{back}")) {
                breaches.push(format!("{name}:{}: says {front}{back}", number + 1));
            }
        }
    }
    if (name.ends_with("/lib.rs") || name.ends_with("/mod.rs"))
        && let Some(item) = logic_in_contents(text)
    {
        breaches.push(format!("{name}: is a table of contents but has `{item}`"));
    }
    breaches
}

/// The first item of a table of contents that is neither a module nor a use.
fn logic_in_contents(text: &str) -> Option<String> {
    let mut statement = String::new();
    for line in text.lines() {
        let line = line.split("//").next().unwrap_or_default().trim();
        if line.is_empty() || (statement.is_empty() && line.starts_with('#')) {
            continue;
        }
        statement.push_str(line);
        statement.push(' ');
        if line.ends_with(';') {
            let mut words = statement.split_whitespace();
            let mut first = words.next().unwrap_or_default();
            if first.starts_with("pub") {
                first = words.next().unwrap_or_default();
            }
            if !matches!(first, "mod" | "use" | "extern") || first.contains('{') {
                return Some(statement.trim().to_owned());
            }
            statement.clear();
        } else if line.ends_with('{') && !statement.contains("use ") {
            return Some(statement.trim().to_owned());
        }
    }
    let rest = statement.trim();
    (!rest.is_empty()).then(|| rest.to_owned())
}

/// The rooms of the crates: what lies directly in each `src`, but for roots and tests.
fn rooms(root: &Path) -> Result<BTreeSet<String>> {
    let mut rooms = BTreeSet::new();
    for entry in fs::read_dir(root.join("crates"))? {
        let source = entry?.path().join("src");
        if !source.is_dir() {
            continue;
        }
        for entry in fs::read_dir(&source)? {
            let path = entry?.path();
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let is_room = path.is_dir()
                || (name.ends_with(".rs") && !matches!(name.as_str(), "lib.rs" | "main.rs"));
            if is_room {
                let relative = path.strip_prefix(root).unwrap_or(&path);
                rooms.insert(relative.to_string_lossy().replace('\\', "/"));
            }
        }
    }
    Ok(rooms)
}

fn architecture_breaches(
    text: &str,
    rooms: &BTreeSet<String>,
    exists: impl Fn(&str) -> bool,
) -> Vec<String> {
    let named = named_rooms(text);
    let unnamed = rooms.iter().filter(|room| !named.contains(*room));
    let absent = named.iter().filter(|path| !exists(path));
    unnamed
        .map(|room| format!("ARCHITECTURE.md does not name `{room}`"))
        .chain(absent.map(|path| format!("ARCHITECTURE.md names `{path}`, which is not there")))
        .collect()
}

/// The paths that the document names: any `crates/...` in it, and in a section whose heading names
/// a crate, what the items of a list or the rows of a table start with.
fn named_rooms(text: &str) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    let mut section: Option<String> = None;
    for line in text.lines() {
        let codes = |text: &str| {
            text.split('`')
                .skip(1)
                .step_by(2)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let mut paths: Vec<String> = codes(line)
            .into_iter()
            .filter(|path| path.starts_with("crates/"))
            .collect();
        if line.starts_with('#') {
            section = paths.first().cloned();
        } else if let (Some(section), Some(item)) = (
            &section,
            line.strip_prefix("- `").or(line.strip_prefix("| `")),
        ) {
            let subject = item.split([':', '|']).next().unwrap_or_default();
            let rooms = codes(&format!("`{subject}"))
                .into_iter()
                .filter(|room| !room.starts_with("crates/"));
            paths.extend(rooms.map(|room| format!("{}/src/{room}", section.trim_end_matches('/'))));
        }
        named.extend(
            paths
                .into_iter()
                .map(|path| path.trim_end_matches('/').to_owned()),
        );
    }
    named
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn breaches_are_found() {
        assert!(source_breaches("crates/a/src/x.rs", "//! Good.\nfn a() {}\n").is_empty());
        assert_eq!(source_breaches("crates/a/src/x.rs", "fn a() {}\n").len(), 1);
        let forbidden = format!("//! x\nfn a() {{ {}{}) }}\n", "todo", "!(");
        assert_eq!(source_breaches("x.rs", &forbidden).len(), 1);
        assert_eq!(
            source_breaches("x.rs", &format!("//! x\n{}", "\n".repeat(FILE_LINES_LIMIT))).len(),
            1
        );
    }

    #[test]
    fn contents_may_hold_modules_and_uses_only() {
        let good = "//! x\n#![warn(a)]\n\nmod a;\n#[cfg(unix)]\npub(crate) mod b; // why\npub use a::{\n    One,\n    Two,\n};\n";
        assert_eq!(logic_in_contents(good), None);
        for bad in [
            "fn a() {\n}\n",
            "pub struct A;\n",
            "mod a {\n}\n",
            "const A: u8 = 1;\n",
        ] {
            assert!(logic_in_contents(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn rooms_must_be_named_and_be_there() {
        let rooms = BTreeSet::from([
            "crates/a/src/one.rs".to_owned(),
            "crates/a/src/two".to_owned(),
        ]);
        let exists = |path: &str| path == "crates/a" || rooms.contains(path);
        let breaches = architecture_breaches(
            "`crates/a/src/two/` and `crates/a/src/gone.rs`.",
            &rooms,
            exists,
        );
        assert_eq!(breaches.len(), 2, "{breaches:?}");
        let by_section = "## `crates/a`: the a\n- `one.rs`: one `thing`\n- `two/`: two\n";
        assert_eq!(
            architecture_breaches(by_section, &rooms, exists),
            Vec::<String>::new()
        );
    }
}
