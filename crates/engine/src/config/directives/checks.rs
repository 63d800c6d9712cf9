//! What some texts must fulfil beyond their form, with Redis's words for what is wrong.

use crate::config::expand_template;

/// Why `activedefrag yes` is refused: Redis's words when its allocator cannot do it.
pub(super) const NO_ACTIVE_DEFRAGMENTATION: &str = "Active defragmentation cannot be enabled: it \
    requires a Redis server compiled with a modified Jemalloc like the one shipped by default \
    with the Redis source distribution";

/// The longest host name, with its final NUL in C.
const HOST_NAME_LIMIT: usize = 256;

type Check = Result<(), &'static str>;

pub(super) fn database_file_name(name: &[u8]) -> Check {
    base_name(name, "dbfilename can't be a path, just a filename")
}

pub(super) fn append_file_name(name: &[u8]) -> Check {
    if name.is_empty() {
        return Err("appendfilename can't be empty");
    }
    base_name(name, "appendfilename can't be a path, just a filename")
}

pub(super) fn append_directory_name(name: &[u8]) -> Check {
    if name.is_empty() {
        return Err("appenddirname can't be empty");
    }
    base_name(name, "appenddirname can't be a path, just a dirname")
}

pub(super) fn announced_host_name(name: &[u8]) -> Check {
    if name.len() >= HOST_NAME_LIMIT {
        return Err("Hostnames must be less than 256 characters");
    }
    if !name
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
    {
        return Err("Hostnames may only contain alphanumeric characters, hyphens or dots");
    }
    Ok(())
}

pub(super) fn announced_node_name(name: &[u8]) -> Check {
    if name.len() >= HOST_NAME_LIMIT {
        return Err("Human nodenames must be less than 256 characters");
    }
    let forbidden =
        |byte: &u8| !byte.is_ascii_graphic() || br##"!"#$%&'()*+,/:;<>?@[\]^{|}~="##.contains(byte);
    if name.iter().any(forbidden) {
        return Err("Announced human node name contained invalid character");
    }
    Ok(())
}

/// Accepts a template whose variables are known and which shows something even in a server
/// without title, mode and Unix socket.
pub(super) fn process_title_template(template: &[u8]) -> Check {
    let title = expand_template(template, |name| match name {
        b"listen-addr" | b"port" | b"tls-port" | b"config-file" => Some(b"-".to_vec()),
        b"title" | b"server-mode" | b"unixsocket" => Some(Vec::new()),
        _ => None,
    });
    match title {
        Some(title) if !title.is_empty() => Ok(()),
        _ => Err("template format is invalid or contains unknown variables"),
    }
}

fn base_name(name: &[u8], complaint: &'static str) -> Check {
    if name.iter().any(|&byte| matches!(byte, b'/' | b'\\')) {
        return Err(complaint);
    }
    Ok(())
}
