//! Active defragmentation changes nothing that anybody can see. The host here has every block moved that it is asked
//! about; the allocator of this binary watches that each is freed with the layout that it was allocated with.

#[path = "../harness/mod.rs"]
mod harness;
mod threads;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::Ordering;

use harness::{START_MS, Server, command, digest_of};
use proptest::prelude::*;

/// Writes before each block how it was allocated.
struct Watchful;

// Miri watches by itself.
#[cfg_attr(not(miri), global_allocator)]
#[cfg_attr(miri, expect(dead_code))]
static ALLOCATOR: Watchful = Watchful;

/// Room before a block of this alignment.
fn head(layout: Layout) -> usize {
    layout.align().max(size_of::<Layout>())
}

fn whole(layout: Layout) -> Layout {
    let align = layout.align().max(align_of::<Layout>());
    Layout::from_size_align(layout.size() + head(layout), align).expect("a little more")
}

// SAFETY: blocks are the system's, with a head that is as long as their alignment or a multiple of it.
unsafe impl GlobalAlloc for Watchful {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: it has a size, and there is room for the layout before the block.
        unsafe {
            let whole = System.alloc(whole(layout));
            if whole.is_null() {
                return whole;
            }
            let block = whole.add(head(layout));
            block.cast::<Layout>().sub(1).write_unaligned(layout);
            block
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: `alloc` has written it there.
        unsafe {
            let allocated = block.cast::<Layout>().sub(1).read_unaligned();
            if allocated != layout {
                eprintln!("allocated with {allocated:?}, freed with {layout:?}");
                std::process::abort();
            }
            System.dealloc(block.sub(head(layout)), whole(layout));
        }
    }
}

/// So many databases are looked at.
const DATABASES: usize = 4;

/// A server whose slices are as short as can be, with or without defragmentation.
fn server(is_active: bool, directives: &[(&str, &str)]) -> Server {
    let own = [
        ("active-defrag-cycle-us", "0"),
        ("active-defrag-max-scan-fields", "20"),
        ("maxmemory-policy", "allkeys-random"),
    ];
    let mut server = Server::new(&[&own, directives].concat(), START_MS);
    if is_active {
        assert_eq!(server.run("CONFIG SET activedefrag yes"), "+OK");
    }
    server
}

/// Has everything moved, twice: after the first pass so much lies idle that it is worth another. The clock stands where it
/// stood afterwards.
fn move_everything(server: &mut Server) {
    server.host.idle_bytes.store(1 << 30, Ordering::Relaxed);
    let began_ms = server.clock.0.load(Ordering::Relaxed);
    // It is decided once a second.
    server.clock.0.fetch_add(1000, Ordering::Relaxed);
    loop {
        while server.run_cron_slowly() {}
        if server
            .run("INFO memory")
            .contains("active_defrag_running:0 ")
        {
            break;
        }
        server.clock.0.fetch_add(100, Ordering::Relaxed);
    }
    server.clock.0.store(began_ms, Ordering::Relaxed);
}

/// Pages of an iteration, in their order.
fn pages(server: &mut Server, command: &str) -> Vec<String> {
    let mut seen = Vec::new();
    let mut cursor = "0".to_owned();
    loop {
        let page = server.run(&command.replace("CURSOR", &cursor));
        cursor = match page.split(' ').nth(2) {
            Some(next) => next.to_owned(),
            None => return vec![page],
        };
        seen.push(page);
        if cursor == "0" {
            return seen;
        }
    }
}

/// Everything that can be seen of a server's data.
fn everything(server: &mut Server) -> Vec<String> {
    let mut seen = vec![server.run("DEBUG DIGEST")];
    for number in 0..DATABASES {
        seen.push(server.run(&format!("SELECT {number}")));
        seen.extend(pages(server, "SCAN CURSOR COUNT 7"));
        let keys = server.run("KEYS *");
        for key in keys.split(' ').skip(2).step_by(2) {
            for command in ["OBJECT ENCODING", "PEXPIRETIME", "OBJECT IDLETIME", "TYPE"] {
                seen.push(server.run(&format!("{command} {key}")));
            }
            seen.push(format!("{:?}", server.dump(key.as_bytes())));
            let iteration = match server.run(&format!("TYPE {key}")).as_str() {
                "+hash" => "HSCAN",
                "+set" => "SSCAN",
                "+zset" => "ZSCAN",
                "+list" => {
                    seen.push(server.run(&format!("LRANGE {key} 0 -1")));
                    continue;
                }
                "+stream" => {
                    seen.push(server.run(&format!("XINFO STREAM {key} FULL")));
                    continue;
                }
                _ => continue,
            };
            seen.extend(pages(server, &format!("{iteration} {key} CURSOR COUNT 7")));
        }
    }
    seen
}

/// A value of every type in every form, some too big for one slice.
fn fill(server: &mut Server) {
    let long = "long ".trim().repeat(400);
    for number in 0..300 {
        server.run(&format!("SET string:{number} {}", "x".repeat(number)));
    }
    server.run("SET integer 12345");
    server.run(&format!("SET raw {long}"));
    server.run("SET volatile 1 EX 1000");
    server.run(&format!("SET {long} key"));
    for (name, count) in [("few", 5), ("some", 600), ("many", 3000)] {
        for number in 0..count {
            let text = "t".repeat(number % 200);
            server.run(&format!("RPUSH list:{name} element:{number}:{text}"));
            server.run(&format!("SADD set:{name} member:{number}:{text}"));
            server.run(&format!("SADD numbers:{name} {number}"));
            server.run(&format!("HSET hash:{name} field:{number} {text}"));
            server.run(&format!("HSET expiring:{name} field:{number} {text}"));
            server.run(&format!(
                "ZADD zset:{name} {}.5 member:{number}:{text}",
                number % 97
            ));
            server.run(&format!("XADD stream:{name} {}-1 field {text}", number + 1));
        }
        server.run(&format!(
            "HPEXPIRE expiring:{name} 1000000 FIELDS 3 field:1 field:2 field:3"
        ));
        server.run(&format!("XGROUP CREATE stream:{name} group 0"));
        server.run(&format!(
            "XREADGROUP GROUP group consumer COUNT 100 STREAMS stream:{name} >"
        ));
    }
    server.run("SELECT 2");
    server.run("DEBUG POPULATE 20000 other 8");
    server.run("SELECT 0");
}

#[test]
fn every_form_of_every_type_moves_and_stays_what_it_is() {
    let mut server = server(true, &[("list-compress-depth", "1")]);
    fill(&mut server);
    let before = everything(&mut server);
    let info = |server: &mut Server, field: &str| -> u64 {
        let text = server.run("INFO everything");
        let line = text.split(' ').find_map(|line| line.strip_prefix(field));
        let number = line.and_then(|line| line.strip_prefix(':'));
        number
            .and_then(|it| it.parse().ok())
            .expect("a field of INFO")
    };
    let keys: u64 = 300 + 4 + 3 * 7 + 20_000;
    move_everything(&mut server);
    let moved = server.host.moved_blocks.load(Ordering::Relaxed);
    assert!(moved > keys, "{moved}");
    assert_eq!(info(&mut server, "active_defrag_hits"), moved);
    assert_eq!(info(&mut server, "active_defrag_misses"), 0);
    assert!(info(&mut server, "active_defrag_key_hits") >= keys);
    assert_eq!(info(&mut server, "active_defrag_running"), 0);
    assert_eq!(everything(&mut server), before);
    server.run("FLUSHALL");
}

#[test]
fn nothing_moves_unless_it_is_asked_for_and_worth_it() {
    let mut server = server(false, &[]);
    server.run("DEBUG POPULATE 1000 key 8");
    move_everything(&mut server);
    assert_eq!(server.host.moved_blocks.load(Ordering::Relaxed), 0);
    server.run("CONFIG SET activedefrag yes active-defrag-ignore-bytes 10mb");
    // Less than what is to be ignored.
    for idle_bytes in [0, 9 << 20] {
        server.host.idle_bytes.store(idle_bytes, Ordering::Relaxed);
        server.clock.0.fetch_add(1000, Ordering::Relaxed);
        while server.run_cron_slowly() {}
        assert_eq!(server.host.moved_blocks.load(Ordering::Relaxed), 0);
    }
    server.host.idle_bytes.store(11 << 20, Ordering::Relaxed);
    server.clock.0.fetch_add(1000, Ordering::Relaxed);
    // The first slices may find nothing in their stripes.
    let is_moving = (0..10).any(|_| {
        while server.run_cron_slowly() {}
        server.clock.0.fetch_add(10, Ordering::Relaxed);
        server.host.moved_blocks.load(Ordering::Relaxed) > 0
    });
    assert!(is_moving);
    assert!(
        server
            .run("INFO memory")
            .contains("active_defrag_running:25 ")
    );
    // A pass is spread over a second.
    while server.run_cron_slowly() {}
    assert!(server.host.moved_blocks.load(Ordering::Relaxed) < 500);
    server.run("CONFIG SET activedefrag no");
    let moved = server.host.moved_blocks.load(Ordering::Relaxed);
    assert!(!server.run_cron_slowly());
    assert_eq!(server.host.moved_blocks.load(Ordering::Relaxed), moved);
    assert!(
        server
            .run("INFO memory")
            .contains("active_defrag_running:0 ")
    );
}

#[test]
fn what_maxmemory_is_too_little_for_because_of_holes_moves_without_being_asked_for() {
    let mut server = server(false, &[("maxmemory", "100mb")]);
    server.run("DEBUG POPULATE 1000 key 8");
    let mut moves = |idle_bytes: u64| {
        server.host.idle_bytes.store(idle_bytes, Ordering::Relaxed);
        server.clock.0.fetch_add(1000, Ordering::Relaxed);
        let before = server.host.moved_blocks.load(Ordering::Relaxed);
        for _ in 0..10 {
            while server.run_cron_slowly() {}
            server.clock.0.fetch_add(10, Ordering::Relaxed);
        }
        server.host.moved_blocks.load(Ordering::Relaxed) > before
    };
    // There is enough memory, holes and all; or too little, but not for holes.
    assert!(!moves(80 << 20));
    assert!(!moves(2 << 20));
    assert!(moves(120 << 20));
    let mut stays = |command: &str| {
        server.run(command);
        let before = server.host.moved_blocks.load(Ordering::Relaxed);
        while server.run_cron_slowly() {}
        server.clock.0.fetch_add(50, Ordering::Relaxed);
        while server.run_cron_slowly() {}
        server.host.moved_blocks.load(Ordering::Relaxed) == before
    };
    assert!(!stays("CONFIG SET maxmemory 90mb"));
    assert!(stays("CONFIG SET maxmemory 0"));
}

/// What happens between two commands.
#[derive(Debug, Clone)]
enum Event {
    Command(String),
    Milliseconds(i64),
    Cron(usize),
    Steps(usize),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        12 => command().prop_map(Event::Command),
        1 => (1i64..500).prop_map(Event::Milliseconds),
        8 => (1usize..4).prop_map(Event::Cron),
        2 => (1usize..4).prop_map(Event::Steps),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Two servers are asked for the same, and one of them moves blocks meanwhile, while a snapshot is taken.
    #[test]
    fn a_server_that_moves_blocks_is_like_one_that_does_not(
        count in 0usize..3000,
        events in prop::collection::vec(event(), 0..400),
    ) {
        let mut servers = [server(false, &[]), server(true, &[])];
        let mut outcomes = Vec::new();
        // `maxmemory` alone would be a reason to move, too.
        servers[1].host.idle_bytes.store(1 << 60, Ordering::Relaxed);
        for server in &mut servers {
            server.run(&format!("DEBUG POPULATE {count} old"));
            server.clock.0.fetch_add(1000, Ordering::Relaxed);
            let began_ms = server.clock.0.load(Ordering::Relaxed);
            let digest = server.run("DEBUG DIGEST");
            prop_assert_eq!(server.run("BGSAVE"), "+Background saving started");
            let mut replies = Vec::new();
            for event in &events {
                match event {
                    Event::Command(command) => replies.push(server.run(command)),
                    Event::Milliseconds(ms) => { server.clock.0.fetch_add(*ms, Ordering::Relaxed); }
                    Event::Cron(count) => for _ in 0..*count {
                        server.run_cron_slowly();
                        server.clock.0.fetch_add(100, Ordering::Relaxed);
                    },
                    Event::Steps(count) => (0..*count).for_each(|_| { server.step(); }),
                }
            }
            server.finish_save();
            let file = server.take_file().expect("it was saved");
            prop_assert_eq!(digest_of(&file, began_ms), digest);
            outcomes.push((replies, everything(server)));
        }
        prop_assert_eq!(&outcomes[0], &outcomes[1]);
        prop_assert_eq!(servers[0].host.moved_blocks.load(Ordering::Relaxed), 0);
    }
}
