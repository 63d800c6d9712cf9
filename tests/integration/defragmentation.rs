//! Active defragmentation where there is an allocator that can move blocks: that of the binary.
#![cfg(not(target_env = "msvc"))]

use std::time::Duration;

use oxidis_testkit::{Client, ServerBuilder};

/// A number of INFO.
fn number(client: &mut Client, field: &str) -> f64 {
    let page = client.run("INFO everything").text();
    let line = page.lines().find_map(|line| line.strip_prefix(field));
    let value = line.and_then(|line| line.strip_prefix(':'));
    value
        .and_then(|it| it.trim().parse().ok())
        .unwrap_or_else(|| panic!("{field} is a number of INFO"))
}

/// Waits until a number of INFO is so.
fn wait_until(client: &mut Client, field: &str, is_so: impl Fn(f64) -> bool) {
    for _ in 0..3000 {
        if is_so(number(client, field)) {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("{field} is {}", number(client, field));
}

#[test]
fn holes_are_closed_and_info_tells_of_it() {
    let server = ServerBuilder::oxidis()
        .arguments(["--active-defrag-ignore-bytes", "1mb"])
        .arguments(["--active-defrag-threshold-lower", "5"])
        .arguments(["--active-defrag-cycle-min", "20"])
        .arguments(["--enable-debug-command", "yes"])
        .start()
        .expect("the server starts");
    let mut client = server.client();
    client.run("DEBUG POPULATE 100000 key 150");
    let script = "for i = 0, 99999 do if i % 8 ~= 0 then redis.call('DEL', 'key:' .. i) end end";
    let deleted = client.command(&["EVAL", script, "0"]).expect("it answers");
    assert!(!deleted.is_error(), "{deleted:?}");
    let digest = client.run("DEBUG DIGEST").text();
    let fragmented = number(&mut client, "allocator_frag_bytes");
    assert!(fragmented > 4e6, "{fragmented}");
    for field in ["active_defrag_running", "active_defrag_hits"] {
        assert_eq!(number(&mut client, field), 0.0);
    }
    assert_eq!(client.run("CONFIG SET activedefrag yes").text(), "OK");
    wait_until(&mut client, "active_defrag_running", |it| it > 0.0);
    wait_until(&mut client, "active_defrag_running", |it| it == 0.0);
    let left = number(&mut client, "allocator_frag_bytes");
    assert!(left < fragmented / 2.0, "{left} of {fragmented}");
    for field in [
        "active_defrag_hits",
        "active_defrag_misses",
        "active_defrag_key_hits",
        "active_defrag_key_misses",
        "total_active_defrag_time",
    ] {
        assert!(number(&mut client, field) > 0.0, "{field}");
    }
    assert_eq!(number(&mut client, "current_active_defrag_time"), 0.0);
    assert_eq!(client.run("DEBUG DIGEST").text(), digest);
    client.run("CONFIG RESETSTAT");
    for field in ["active_defrag_hits", "total_active_defrag_time"] {
        assert_eq!(number(&mut client, field), 0.0);
    }
}
