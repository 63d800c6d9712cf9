//! Fields of hashes that expire, on a clock that stands still: who is told, what is counted, and the
//! active cycle. What the commands answer is compared with Redis elsewhere; the events are those
//! of a redis-server 8.2.3.

mod harness;

use harness::Server;
use oxidis_engine::Session;

struct Setting {
    server: Server,
    writer: Session,
    listener: Session,
}

impl Setting {
    fn new(directives: &[(&str, &str)]) -> Self {
        let mut server = Server::new(1, directives);
        let (mut writer, mut listener) = (server.connect(), server.connect());
        server.run(&mut writer, "config set notify-keyspace-events Ehg");
        server.run(&mut listener, "psubscribe *");
        Setting {
            server,
            writer,
            listener,
        }
    }

    #[track_caller]
    fn check(&mut self, commands: &str, reply: &str, events: &str) {
        assert_eq!(
            self.server.run(&mut self.writer, commands),
            reply,
            "{commands}"
        );
        assert_eq!(self.events(), events, "{commands}");
    }

    /// The names of the events since the last call.
    fn events(&mut self) -> String {
        let pushed = self.server.deliver(&mut self.listener);
        // *4 $8 pmessage $1 pattern $n channel $n key
        let words: Vec<&str> = pushed.split(' ').collect();
        let channels = words.chunks_exact(9).map(|message| message[6]);
        let names = channels.filter_map(|channel| channel.rsplit(':').next());
        names.collect::<Vec<_>>().join(" ")
    }

    /// Runs the active cycle to its end.
    fn run_cycle(&mut self) {
        while self.server.worker.run_cron() {}
    }
}

/// A packed hash and a table.
const FORMS: [&str; 2] = ["128", "0"];

#[test]
fn commands_that_name_a_field_delete_it_when_it_is_over() {
    for entries in FORMS {
        let mut it = Setting::new(&[("hash-max-listpack-entries", entries)]);
        for (command, reply, events) in [
            ("hget h f", "$-1", "hexpired"),
            ("hmget h f f", "*2 $-1 $-1", "hexpired"),
            ("hexists h f", ":0", "hexpired"),
            ("hstrlen h f", ":0", "hexpired"),
            ("hsetnx h f 2", ":1", "hexpired hset"),
            ("hincrby h f 2", ":2", "hexpired hincrby"),
            ("hincrbyfloat h f 2", "$1 2", "hexpired hincrbyfloat"),
            ("hgetdel h fields 1 f", "*1 $-1", "hexpired"),
            (
                "hgetex h ex 5 fields 2 f g",
                "*2 $-1 $1 1",
                "hexpired hexpire",
            ),
            ("hsetex h fxx fields 1 f 1", ":0", "hexpired"),
            ("hrandfield h 1", "*1 $1 g", "hexpired"),
            // These do not ask whether it is over.
            ("hset h f 2", ":0", "hset"),
            ("hdel h f", ":1", "hdel"),
            ("hexpire h 100 fields 1 f", "*1 :1", "hexpire"),
            // And these leave it.
            ("httl h fields 1 f", "*1 :-2", ""),
            ("hpersist h fields 1 f", "*1 :-2", ""),
            ("hgetall h", "*2 $1 g $1 1", ""),
            ("hlen h", ":2", ""),
        ] {
            let setup = "del h; hset h f 1 g 1; hpexpire h 10 fields 1 f";
            it.server.run(&mut it.writer, setup);
            it.server.advance_ms(10);
            it.events();
            it.check(command, reply, events);
        }
    }
}

#[test]
fn a_hash_goes_with_its_last_field() {
    for entries in FORMS {
        let mut it = Setting::new(&[("hash-max-listpack-entries", entries)]);
        it.check("hset h f 1", ":1", "hset");
        it.check("hpexpire h 10 fields 1 f", "*1 :1", "hexpire");
        it.server.advance_ms(10);
        it.check("exists h", ":1", "");
        it.check("hget h f", "$-1", "hexpired del");
        it.check("exists h; dbsize", ":0 :0", "");
        it.check("hsetex h px 10 fields 2 f 1 g 2", ":1", "hset hexpire");
        it.server.advance_ms(10);
        it.run_cycle();
        assert_eq!(it.events(), "hexpired del");
        it.check("exists h", ":0", "");
        it.check(
            "hset h f 1; hexpire h 0 fields 1 f",
            ":1 *1 :2",
            "hset hdel del",
        );
    }
}

#[test]
fn the_cycle_works_through_a_big_hash_a_part_at_a_time() {
    let mut it = Setting::new(&[]);
    const FIELDS: usize = 20_000;
    for first in (0..FIELDS).step_by(100) {
        let fields: Vec<String> = (first..first + 100).map(|n| format!("f{n}")).collect();
        let pairs: Vec<String> = fields.iter().map(|field| format!("{field} v")).collect();
        it.server
            .run(&mut it.writer, &format!("hset h {}", pairs.join(" ")));
        // Half of them expire, in two waves.
        let when = if first % 400 == 0 { 1000 } else { 2000 };
        if first % 200 == 0 {
            let command = format!("hpexpire h {when} fields 100 {}", fields.join(" "));
            it.server.run(&mut it.writer, &command);
        }
    }
    it.server.advance_ms(1000);
    it.run_cycle();
    it.events();
    it.check("hlen h", ":15000", "");
    it.server.advance_ms(999);
    it.run_cycle();
    it.check("hlen h", ":15000", "");
    it.server.advance_ms(1);
    it.run_cycle();
    it.events();
    it.check("hlen h", ":10000", "");
    let stats = it.server.run(&mut it.writer, "info stats");
    assert!(stats.contains("expired_subkeys:10000"), "{stats}");
    let keyspace = it.server.run(&mut it.writer, "info keyspace");
    assert!(
        keyspace.contains("keys=1,expires=0,avg_ttl=0,subexpiry=0"),
        "{keyspace}"
    );
}

#[test]
fn hashes_with_fields_that_expire_are_counted_wherever_they_go() {
    for entries in FORMS {
        let mut it = Setting::new(&[("hash-max-listpack-entries", entries)]);
        let mut count = |commands: &str, expected: &str| {
            it.server.run(&mut it.writer, commands);
            let keyspace = it.server.run(&mut it.writer, "info keyspace");
            let lines = keyspace.split(' ').filter(|word| word.starts_with("db"));
            let counts =
                lines.map(|line| format!("{} {}", &line[..3], line.rsplit('=').next().unwrap()));
            assert_eq!(
                counts.collect::<Vec<_>>().join(", "),
                expected,
                "{commands}"
            );
        };
        count("hset h f 1 g 2", "db0 0");
        count("hexpire h 10 fields 2 f g", "db0 1");
        count("hpersist h fields 1 f", "db0 1");
        count("hset h g 3", "db0 0");
        count("hsetex h ex 10 fields 1 f 1; hdel h f", "db0 0");
        count("hsetex h ex 10 fields 1 f 1; copy h i; rename i j", "db0 2");
        count("move j 1", "db0 1, db1 1");
        count("swapdb 0 1; set h 1", "db0 1, db1 1");
        count("del j", "db0 0, db1 1");
        count("flushall", "");
        count(
            "hsetex h ex 10 fields 1 f 1; hincrby h f 1; hset h long xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "db0 1",
        );
        count("hgetdel h fields 2 f long", "");
        count(
            "hsetex h ex 10 fields 1 f 1; hgetex h persist fields 1 f",
            "db0 0",
        );
    }
}

#[test]
fn watchers_learn_of_fields_that_expire() {
    let mut it = Setting::new(&[]);
    it.server
        .run(&mut it.writer, "hsetex h px 10 fields 2 f 1 g 1");
    let mut watcher = it.server.connect();
    it.server.run(&mut watcher, "watch h; multi; ping");
    it.server.advance_ms(10);
    it.run_cycle();
    assert_eq!(it.server.run(&mut watcher, "exec"), "*-1");
}

#[test]
fn a_pause_hides_fields_and_deletes_none() {
    let mut it = Setting::new(&[]);
    it.server
        .run(&mut it.writer, "hset h f 1 g 1; hpexpire h 10 fields 2 f g");
    it.server.run(&mut it.writer, "client pause 1000 write");
    it.events();
    it.server.advance_ms(10);
    it.run_cycle();
    it.check("hget h f; hlen h; hgetall h", "$-1 :2 *0", "");
    it.check(
        "hrandfield h -5; hrandfield h; hrandfield h 5",
        "*0 $-1 *0",
        "",
    );
}

/// What redis-server 8.0.6 answers: the form changes before anybody looks whether there is something to change.
#[test]
fn asking_for_another_expiry_makes_a_small_hash_one_whose_fields_expire() {
    let mut server = Server::new(1, &[]);
    let mut session = server.connect();
    for (command, encoding) in [
        ("hgetex h persist fields 1 a", "listpackex"),
        ("hgetex h persist fields 1 nofield", "listpackex"),
        ("hgetex h ex 10 fields 1 nofield", "listpackex"),
        ("hexpire h 10 xx fields 1 a", "listpackex"),
        ("hgetex h fields 1 a", "listpack"),
        ("hpersist h fields 1 a", "listpack"),
        ("hsetex h fxx ex 10 fields 1 nofield 1", "listpack"),
    ] {
        server.run(&mut session, "del h");
        server.run(&mut session, "hset h a 1 b 2");
        server.run(&mut session, command);
        let found = server.run(&mut session, "object encoding h");
        assert!(
            found.ends_with(&format!(" {encoding}")),
            "{command}: {found}"
        );
    }
}

/// What is expected is what valkey-server 9.1.2 answers.
#[test]
fn who_imports_data_sees_fields_whose_time_is_over_and_others_do_not() {
    for entries in FORMS {
        let directives = [
            ("hash-max-listpack-entries", entries),
            ("import-mode", "yes"),
        ];
        let mut it = Setting::new(&directives);
        let mut source = it.server.connect();
        it.server.run(&mut source, "client import-source on");
        let setup = "hset h f v g w; hpexpire h 10 fields 1 f";
        it.server.run(&mut it.writer, setup);
        it.server.advance_ms(20);
        for (command, of_source, of_others) in [
            ("hget h f", "$1 v", "$-1"),
            ("hmget h f g", "*2 $1 v $1 w", "*2 $-1 $1 w"),
            ("hexists h f", ":1", ":0"),
            ("hstrlen h f", ":1", ":0"),
            ("hlen h", ":2", ":2"),
            ("httl h fields 1 f", "*1 :0", "*1 :-2"),
            ("hpttl h fields 1 f", "*1 :0", "*1 :-2"),
            ("hpersist h fields 1 f", "*1 :1", "*1 :-1"),
            ("hget h f", "$1 v", "$1 v"),
        ] {
            let found = it.server.run(&mut source, command);
            assert_eq!(found, of_source, "{command} of the source");
            let found = it.server.run(&mut it.writer, command);
            assert_eq!(found, of_others, "{command} of another");
        }
    }
}
