//! File descriptors: every client needs one, and the system gives a process only so many.

/// Descriptors that the server itself needs: listeners, files, the event loops.
#[cfg(unix)]
const OWN: u64 = 32;

/// Asks the system for as many descriptors as so many clients need. Answers how many clients there
/// is room for now.
#[cfg(unix)]
pub fn make_room_for(clients: usize) -> usize {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let needed = (clients as u64).saturating_add(OWN);
    let Ok((now, most)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        // Who does not tell a limit has to be taken at his word.
        return clients;
    };
    if now >= needed {
        return clients;
    }
    // An administrator may go beyond the hard limit, others up to it.
    let raised = setrlimit(Resource::RLIMIT_NOFILE, needed, most.max(needed)).map(|()| needed);
    let within =
        || setrlimit(Resource::RLIMIT_NOFILE, needed.min(most), most).map(|()| needed.min(most));
    let limit = raised.or_else(|_| within()).unwrap_or(now);
    clients.min(limit.saturating_sub(OWN) as usize)
}

/// Asks the system for as many descriptors as so many clients need. Sockets are no descriptors here.
#[cfg(not(unix))]
pub fn make_room_for(clients: usize) -> usize {
    clients
}

/// The number of a socket in CLIENT LIST.
#[cfg(unix)]
pub(crate) fn number_of(socket: &impl std::os::fd::AsRawFd) -> i64 {
    i64::from(socket.as_raw_fd())
}

/// The number of a socket in CLIENT LIST.
#[cfg(windows)]
pub(crate) fn number_of(socket: &impl std::os::windows::io::AsRawSocket) -> i64 {
    socket.as_raw_socket() as i64
}

#[cfg(all(test, unix))]
mod tests {
    use super::make_room_for;

    #[test]
    fn there_is_room_for_a_few_but_not_for_everybody() {
        assert_eq!(make_room_for(10), 10);
        assert!(make_room_for(usize::MAX / 2) < usize::MAX / 2);
    }
}
