//! Files of commands as a server loads them at its start: any bytes are an error or a data set, and no length that they
//! claim is believed. What `check` calls whole is loaded, and so is what is left when it has cut a torn end off.
#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use oxidis_fuzz::data_sets::{Files, Measuring, in_pieces_within, load};
use oxidis_persist::check::{CommandsEnd, check_commands};

#[global_allocator]
static ALLOCATOR: Measuring = Measuring;

/// The most that is asked for at once, in bytes. A few bytes of a log may be a command that makes a string of
/// `proto-max-bulk-len`, here a mebibyte, with room to grow; longer ones are only claimed.
const PIECE_BYTES: usize = 4 << 20;

fuzz_target!(|bytes: &[u8]| {
    let most = PIECE_BYTES + 400 * bytes.len();
    let loaded = in_pieces_within(most, || load(Files::Log(vec![bytes.to_vec()])));
    if bytes.starts_with(b"REDIS") {
        // A data set stands before the commands.
        return;
    }
    let report = check_commands(Cursor::new(bytes), 0, None, &mut |_| {});
    let report = report.expect("memory can be read");
    let whole = match report.end {
        CommandsEnd::Whole => bytes,
        CommandsEnd::Torn(_) => &bytes[..report.whole as usize],
        CommandsEnd::Damaged(_, again) => {
            assert!(again < bytes.len() as u64, "what follows is there");
            return;
        }
        CommandsEnd::Later(_) => panic!("no time was named"),
    };
    match load(Files::Log(vec![whole.to_vec()])) {
        Ok(mut cut) => {
            if let Ok(mut loaded) = loaded
                && whole.len() == bytes.len()
            {
                assert_eq!(loaded.digest(), cut.digest());
            }
        }
        Err(error) => panic!("checked, and not loaded: {error}"),
    }
});
