//! Brings Debian's source package of redis under `compat/work/` (which git ignores), and lays out
//! the folders in which units are run: the suite's tests with other people's binaries, and ours
//! where it expects redis-server.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::workspace;

/// The version whose suite is run.
pub const VERSION: &str = "7.0.15";

/// Where everything that is not kept lies.
pub fn work_folder() -> PathBuf {
    workspace::root().join("compat/work")
}

/// The unpacked source package; fetched when it is not there.
pub fn source() -> Result<PathBuf> {
    let folder = work_folder().join(format!("redis-{VERSION}"));
    if !folder.join("tests/test_helper.tcl").is_file() {
        fetch().context(
            "the source package of redis could not be fetched (this needs Debian 12 and root)",
        )?;
    }
    if !folder.join("tests/test_helper.tcl").is_file() {
        bail!("apt-get source redis did not bring {}", folder.display());
    }
    Ok(folder)
}

/// The names of the suite's files of one folder, without their endings.
///
/// # Errors
/// When the folder cannot be read.
pub fn tests_in(source: &Path, folder: &str) -> Result<Vec<String>> {
    let folder = source.join("tests").join(folder);
    let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    let mut names = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "tcl") {
            let name = path.file_stem().unwrap_or_default();
            names.push(name.to_string_lossy().into_owned());
        }
    }
    Ok(names)
}

fn fetch() -> Result<()> {
    fs::create_dir_all(work_folder())?;
    if !succeeds(Command::new("dpkg-source").arg("--version")) {
        workspace::run(apt().args(["install", "--yes", "--no-install-recommends", "dpkg-dev"]))?;
    }
    if !has_source_lists() {
        add_source_lists()?;
        workspace::run(apt().arg("update"))?;
    }
    workspace::run(apt().args(["source", "redis"]).current_dir(work_folder()))
}

fn apt() -> Command {
    let mut command = Command::new("apt-get");
    command
        .arg("--quiet")
        .env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn has_source_lists() -> bool {
    let shown = Command::new("apt-cache")
        .args(["showsrc", "redis"])
        .output();
    shown.is_ok_and(|output| {
        String::from_utf8_lossy(&output.stdout).contains(&format!("Version: 5:{VERSION}"))
    })
}

/// Debian's images name the binary packages only: the same places are added for sources.
fn add_source_lists() -> Result<()> {
    let folder = Path::new("/etc/apt/sources.list.d");
    let mut lines = String::new();
    let mut stanzas = String::new();
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    files.extend(fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path())));
    for file in files {
        let text = fs::read_to_string(&file).unwrap_or_default();
        if file.extension().is_some_and(|ending| ending == "sources") {
            stanzas.push_str(&source_stanzas(&text));
        } else {
            lines.push_str(&source_lines(&text));
        }
    }
    if lines.is_empty() && stanzas.is_empty() {
        bail!("no Debian archive is configured in /etc/apt");
    }
    if !lines.is_empty() {
        fs::write(folder.join("oxidis-compat.list"), lines)?;
    }
    if !stanzas.is_empty() {
        fs::write(folder.join("oxidis-compat.sources"), stanzas)?;
    }
    Ok(())
}

/// The lines of Debian's own archive, for sources.
fn source_lines(text: &str) -> String {
    let of_debian = |line: &&str| {
        line.starts_with("deb ") && line.contains("/debian") && line.contains(" main")
    };
    text.lines()
        .filter(of_debian)
        .map(|line| format!("deb-src {}\n", &line[4..]))
        .collect()
}

/// The stanzas of Debian's own archive, for sources.
fn source_stanzas(text: &str) -> String {
    let mut out = String::new();
    for stanza in text.split("\n\n") {
        let lines: Vec<&str> = stanza
            .lines()
            .filter(|line| !line.starts_with('#'))
            .collect();
        let field = |name: &str| {
            lines
                .iter()
                .find_map(|line| line.strip_prefix(name))
                .unwrap_or_default()
        };
        if field("Types:").trim() == "deb"
            && field("URIs:").contains("/debian")
            && field("Components:").contains("main")
        {
            for line in lines {
                out.push_str(if line.starts_with("Types:") {
                    "Types: deb-src"
                } else {
                    line
                });
                out.push('\n');
            }
            out.push('\n');
        }
    }
    out
}

fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

/// What is changed in the laid out suite when Oxidis is tested by it, and why.
pub const ENCODING_OF_LISTS: &str = "a test that wants a quicklist takes a small list's listpack too: 7.0.15 answers \
                                     quicklist for every list, Redis since 7.2 and Oxidis for big ones only";

/// Lets the suite's check of encodings take what [`ENCODING_OF_LISTS`] says.
///
/// # Errors
/// When the suite has no such check.
pub fn accept_small_lists(folder: &Path) -> Result<()> {
    const CHECK: &str = "proc assert_encoding {enc key} {\n";
    const SMALL_LIST: &str = "    if {$enc eq {quicklist} && [r type $key] eq {list} && [r object encoding $key] eq \
                              {listpack}} {return}\n";
    let file = folder.join("tests/support/test.tcl");
    let text = fs::read_to_string(&file)?;
    if !text.contains(CHECK) {
        bail!("{} has no assert_encoding", file.display());
    }
    Ok(fs::write(
        &file,
        text.replace(CHECK, &format!("{CHECK}{SMALL_LIST}")),
    )?)
}

/// Lays out a folder in which units can be run against the given server: the suite cleans its own
/// folder when it starts, so two that run side by side each need one.
pub fn lay_out(source: &Path, name: &str, server: &Path) -> Result<PathBuf> {
    let folder = work_folder().join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(folder.join("src"))?;
    copy_tree(&source.join("tests"), &folder.join("tests"))?;
    fs::copy(source.join("redis.conf"), folder.join("redis.conf"))?;
    let server = fs::canonicalize(server).with_context(|| server.display().to_string())?;
    link(&server, &folder.join("src/redis-server"))?;
    for tool in [
        "redis-cli",
        "redis-benchmark",
        "redis-check-aof",
        "redis-check-rdb",
    ] {
        // Where the real tool is installed the suite drives the server with it; else with ours.
        let program = in_path(tool).unwrap_or_else(|| server.clone());
        link(&program, &folder.join("src").join(tool))?;
    }
    Ok(folder)
}

fn in_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

#[cfg(unix)]
fn link(target: &Path, name: &Path) -> Result<()> {
    Ok(std::os::unix::fs::symlink(target, name)?)
}

#[cfg(not(unix))]
fn link(target: &Path, name: &Path) -> Result<()> {
    fs::copy(target, name)?;
    Ok(())
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_entries_are_made_of_the_archive_s_own() {
        let text = "Types: deb\n# a comment\nURIs: http://example.org/debian\nSuites: s\nComponents: main\n\n\
                    Types: deb\nURIs: http://example.org/other\nSuites: s\nComponents: main\n";
        assert_eq!(
            source_stanzas(text),
            "Types: deb-src\nURIs: http://example.org/debian\nSuites: s\nComponents: main\n\n"
        );
        assert_eq!(
            source_lines("deb http://example.org/debian s main\ndeb http://example.org/x s main\n"),
            "deb-src http://example.org/debian s main\n"
        );
    }
}
