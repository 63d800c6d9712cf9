//! Makes the seeds of the targets that load files: `cargo run --example seeds`. Data of every type and encoding, as each of the
//! formats writes them.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use oxidis_engine::snapshot::Commands;
use oxidis_fuzz::data_sets::{Files, load};
use oxidis_persist::{Json, Rdb};

fn main() {
    let long = "long ".repeat(30);
    let members: Vec<String> = (0..140).map(|n| format!("m{n}")).collect();
    let numbers: Vec<String> = (0..520).map(|n| n.to_string()).collect();
    let pairs = members
        .iter()
        .flat_map(|member| [member.clone(), "1".to_owned()]);
    let pairs: Vec<String> = pairs.collect();
    let of = |name: &str, words: &[String]| -> Vec<String> {
        let start = [name.to_owned(), "key".to_owned()];
        start.into_iter().chain(words.iter().cloned()).collect()
    };
    let line = |text: &str| -> Vec<String> { text.split(' ').map(str::to_owned).collect() };
    let data_sets: Vec<(&str, Vec<Vec<String>>)> = vec![
        (
            "strings",
            vec![
                line("SET a 1"),
                line("SET b text"),
                vec!["SET".into(), "c".into(), long],
            ],
        ),
        (
            "bytes",
            vec![
                vec!["SET".into(), "base64:".into(), "\u{1}\n\"".into()],
                line("SETBIT bits 3 1"),
            ],
        ),
        (
            "list",
            vec![line("RPUSH list a 2 c"), of("RPUSH", &members)],
        ),
        ("intset", vec![line("SADD set 1 -2 300000")]),
        ("set", vec![line("SADD small a b"), of("SADD", &numbers)]),
        ("hash", vec![line("HSET small f v n 1"), of("HSET", &pairs)]),
        (
            "hash_expires",
            vec![
                line("HSET h f v g w"),
                line("HPEXPIREAT h 4102444800123 FIELDS 1 f"),
            ],
        ),
        ("sorted_set", vec![line("ZADD z 1.5 a inf b -inf c 0.1 d")]),
        (
            "sorted_set_big",
            vec![{
                let scored = members
                    .iter()
                    .flat_map(|member| ["0.5".to_owned(), member.clone()]);
                of("ZADD", &scored.collect::<Vec<_>>())
            }],
        ),
        (
            "stream",
            vec![
                line("XADD s 1-1 a b"),
                line("XADD s 1-2 a c"),
                line("XADD s 2-1 d e f g"),
                line("XDEL s 1-2"),
                line("XGROUP CREATE s group 0"),
                line("XREADGROUP GROUP group one COUNT 1 STREAMS s >"),
                line("XREADGROUP GROUP group two STREAMS s >"),
            ],
        ),
        (
            "databases",
            vec![
                line("SET a 1"),
                line("SELECT 3"),
                line("SET b 2"),
                line("PEXPIREAT b 4102444800123"),
            ],
        ),
        (
            "transaction",
            vec![line("MULTI"), line("SET a 1"), line("INCR a"), line("EXEC")],
        ),
    ];
    for (name, commands) in data_sets {
        let mut log = Vec::new();
        for command in &commands {
            let words: Vec<&[u8]> = command.iter().map(|word| word.as_bytes()).collect();
            oxidis_resp::write_request(&words, &mut log);
        }
        let mut loaded = load(Files::Log(vec![log.clone()])).expect("the commands are right");
        write("aof_load", name, &log);
        write(
            "aof_load",
            &format!("{name}_rewritten"),
            &loaded.write(&Commands { noted_s: Some(1) }),
        );
        let rdb = loaded.write(&Rdb);
        write("rdb_load", name, &rdb);
        write("json_load", name, &loaded.write(&Json));
        if name == "hash" {
            write("aof_load", "after_rdb", &[&rdb[..], &log].concat());
        }
        // What was written is what is read.
        let mut again = load(Files::DataSet(Arc::new(Rdb), rdb)).expect("our own file");
        assert_eq!(again.digest(), loaded.digest(), "{name}");
    }
}

fn write(target: &str, name: &str, bytes: &[u8]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("seeds")
        .join(target);
    fs::create_dir_all(&folder).expect("it may");
    fs::write(folder.join(name), bytes).expect("it may");
}
