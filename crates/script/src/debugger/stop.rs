//! When a script is stopped, and what happens until it goes on.

use super::commands;
use super::request::{Received, parse};
use super::state::raise;
use crate::lua::{Frame, Raise};

/// What the client may send of one request.
const UNREAD_MAX_BYTES: usize = 1 << 20;

/// The script's part of the names of chunks.
const CHUNK: &str = "user_script";

/// What is done with the script that stands.
pub(super) enum Next {
    /// The next request is waited for.
    Stay,
    /// It goes on.
    GoOn,
}

/// Looks whether the script is to be stopped at the line that it is about to run, and if so, does what its client asks
/// for until it goes on. `is_in_line` if it is somewhere in the line, since many instructions have run.
///
/// # Errors
/// It is to end.
pub(crate) fn at_line(frame: &mut Frame<'_>, is_in_line: bool) -> Result<(), Raise> {
    let Some(place) = frame.activation(0) else {
        return Ok(());
    };
    let Some(debugger) = frame.debugger() else {
        return Ok(());
    };
    debugger.source.current = place.line;
    if !place.source.contains(CHUNK) {
        return Ok(());
    }
    let is_breakpoint = debugger.source.is_breakpoint(place.line) || debugger.is_asked_by_script;
    let is_stepping = debugger.is_stepping;
    let is_out_of_patience = is_in_line && !is_breakpoint && !is_stepping;
    if is_out_of_patience && !has_run_too_long(frame)
        || !is_in_line && !is_breakpoint && !is_stepping
    {
        return Ok(());
    }
    let Some(debugger) = frame.debugger() else {
        return Ok(());
    };
    let reason = if debugger.is_asked_by_script {
        "redis.breakpoint() called"
    } else if is_breakpoint {
        "break point"
    } else if is_out_of_patience {
        "timeout reached, infinite loop?"
    } else {
        "step over"
    };
    debugger.is_stepping = false;
    debugger.is_asked_by_script = false;
    debugger.note(format!(
        "* Stopped at {}, stop reason = {reason}",
        place.line
    ));
    let shown = debugger.source.shown(place.line);
    debugger.note(shown);
    send(frame);
    let is_left_alone = !converse(frame)?;
    if is_left_alone && is_out_of_patience {
        // Nobody would ever end it.
        let text = "timeout during Lua debugging with client closing connection";
        return Err(raise(frame, text));
    }
    let resumed_us = frame.with_running(|_, running| {
        running.host.resume();
        running.host.elapsed_us()
    });
    if let (Some(resumed_us), Some(debugger)) = (resumed_us, frame.debugger()) {
        debugger.resumed_us = resumed_us;
    }
    Ok(())
}

fn has_run_too_long(frame: &mut Frame<'_>) -> bool {
    let Some(resumed_us) = frame.debugger().map(|it| it.resumed_us) else {
        return false;
    };
    let is_too_long = frame.with_running(|_, running| {
        let elapsed_us = running.host.elapsed_us() - resumed_us;
        u64::try_from(elapsed_us / 1000).unwrap_or_default() >= running.host.patience_ms()
    });
    is_too_long.unwrap_or(false)
}

/// Sends what was noted.
pub(super) fn send(frame: &mut Frame<'_>) {
    let Some(notes) = frame.debugger().map(|it| it.take_notes()) else {
        return;
    };
    frame.with_running(|_, running| {
        if let Some(conversation) = running.host.conversation() {
            notes.into_iter().for_each(|note| conversation.note(note));
            conversation.send();
        }
    });
}

/// Does what the client asks for until the script goes on; answers whether the client is still there. When it is gone,
/// the script is not stopped again.
fn converse(frame: &mut Frame<'_>) -> Result<bool, Raise> {
    while let Some(request) = receive(frame)? {
        match commands::execute(frame, &request)? {
            Next::Stay => send(frame),
            Next::GoOn => return Ok(true),
        }
    }
    if let Some(debugger) = frame.debugger() {
        debugger.is_stepping = false;
        debugger.source.forget_breakpoints();
    }
    Ok(false)
}

/// The next request; `None` if none will come.
fn receive(frame: &mut Frame<'_>) -> Result<Option<Vec<Vec<u8>>>, Raise> {
    loop {
        let unread = frame.debugger().map(|it| std::mem::take(&mut it.unread));
        let mut unread = unread.unwrap_or_default();
        match parse(&unread) {
            // What stands behind it is passed over, as in Redis.
            Received::Whole(request) => return Ok(Some(request)),
            Received::Wrong => return Err(raise(frame, "protocol error")),
            Received::Part => {}
        }
        let received = frame.with_running(|_, running| running.host.conversation()?.receive());
        let Some(received) = received.flatten() else {
            return Ok(None);
        };
        unread.extend_from_slice(&received);
        if unread.len() > UNREAD_MAX_BYTES {
            return Err(raise(frame, "max client buffer reached"));
        }
        if let Some(debugger) = frame.debugger() {
            debugger.unread = unread;
        }
    }
}
