//! The engine against a naive model: random commands over few keys, each reply compared, while the
//! clock moves; at the end everything that is there is read back with the SCAN family.
#![no_main]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use libfuzzer_sys::fuzz_target;
use oxidis_engine::config::Config;
use oxidis_engine::{Clock, Engine, EngineOptions, NoHost, Session, Worker};
use oxidis_fuzz::commands::{Choices, Command, EPOCH_MS, KEYS};
use oxidis_fuzz::model::Model;
use oxidis_resp::{ReplyParser, Value, write_request};

/// A clock that moves when it is told to.
struct ManualClock(AtomicI64);

impl Clock for ManualClock {
    fn now_us(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// An engine with one session.
struct Subject {
    clock: Arc<ManualClock>,
    worker: Worker,
    session: Session,
}

impl Subject {
    /// With `early_growth` small forms become big ones early, else as they do by default.
    fn new(now_ms: i64, early_growth: bool) -> Self {
        let config = Config::new(1);
        if early_growth {
            for directive in [
                "hash-max-listpack-entries",
                "set-max-listpack-entries",
                "set-max-intset-entries",
                "zset-max-listpack-entries",
                "list-max-listpack-size",
            ] {
                config.set_default(directive, b"4").expect("it may be 4");
            }
        }
        let clock = Arc::new(ManualClock(AtomicI64::new(now_ms * 1000)));
        let engine = Engine::new(EngineOptions {
            config: Arc::new(config),
            clock: clock.clone(),
            host: Arc::new(NoHost),
            snapshot_codec: None,
            interpreter: None,
            seed: 1,
            workers: 1,
        });
        let worker = Worker::new(&engine);
        let session = Session::new(&engine, "fuzz".into(), "fuzz".into());
        Subject {
            clock,
            worker,
            session,
        }
    }

    fn ask<A: AsRef<[u8]>>(&mut self, command: &[A]) -> Value {
        let (mut request, mut output) = (Vec::new(), Vec::new());
        write_request(command, &mut request);
        let progress = self
            .session
            .process(&mut self.worker, &request, &mut output);
        assert_eq!(progress.consumed, request.len());
        let parsed = ReplyParser::new().parse(&output).expect("a reply");
        assert_eq!(parsed.consumed, output.len(), "one reply to one request");
        parsed.value.expect("a whole reply")
    }

    /// Everything that a full iteration yields, in steps of one element.
    fn scan(&mut self, command: &str, key: Option<&[u8]>) -> BTreeSet<Vec<u8>> {
        let (mut cursor, mut found) = (b"0".to_vec(), BTreeSet::new());
        for _ in 0..10_000 {
            let mut request = vec![command.as_bytes().to_vec()];
            request.extend(key.map(<[u8]>::to_vec));
            request.extend([cursor, b"COUNT".to_vec(), b"1".to_vec()]);
            let reply = self.ask(&request);
            let Some([next, elements]) = reply.as_elements() else {
                panic!("{reply:?}")
            };
            let elements = elements.as_elements().expect("an array").iter();
            // Of pairs the first halves are what is counted.
            let step = if matches!(command, "HSCAN" | "ZSCAN") {
                2
            } else {
                1
            };
            found.extend(
                elements
                    .step_by(step)
                    .map(|element| element.as_bytes().unwrap().to_vec()),
            );
            cursor = next.as_bytes().expect("a cursor").to_vec();
            if cursor == b"0" {
                return found;
            }
        }
        panic!("{command} does not end");
    }
}

/// The elements of a reply that the model expects in any order, every `step`th.
fn elements(reply: &Value, step: usize) -> BTreeSet<Vec<u8>> {
    let elements = reply.as_elements().expect("an array").iter();
    elements
        .step_by(step)
        .map(|element| element.as_bytes().expect("bytes").to_vec())
        .collect()
}

/// Prints the commands, with their times, that have a key in common with the last one.
fn print_history(history: &[(i64, Command)]) {
    let Some((_, last)) = history.last() else {
        return;
    };
    let is_key = |word: &&Vec<u8>| KEYS.iter().any(|key| key.as_bytes() == word.as_slice());
    let keys: Vec<_> = last.iter().filter(is_key).collect();
    for (now_ms, command) in history {
        if command.iter().any(|word| keys.contains(&word)) {
            let words = command.iter().map(|word| word.escape_ascii().to_string());
            eprintln!("{now_ms:>5} {}", words.collect::<Vec<_>>().join(" "));
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let mut choices = Choices::new(data, 1500);
    let mut now_ms = EPOCH_MS - 1000;
    let mut subject = Subject::new(now_ms, choices.below(4) > 0);
    let mut model = Model::default();
    model.now_ms = now_ms;

    let mut history = Vec::new();
    loop {
        if choices.below(32) == 0 {
            now_ms += choices.below(4) as i64 * 500;
            model.now_ms = now_ms;
            subject.clock.0.store(now_ms * 1000, Ordering::Relaxed);
        }
        let Some(command) = choices.command() else {
            break;
        };
        if command[0] == b"DBSIZE" {
            // Keys that have expired count until somebody looks for them.
            subject.ask(&[&["EXISTS"], KEYS].concat());
        }
        let expected = model.execute(&command);
        let reply = subject.ask(&command);
        history.push((now_ms - EPOCH_MS, command));
        if !expected.is_met_by(&reply) {
            print_history(&history);
            panic!("the last of these was answered\n{reply:?}\ninstead of\n{expected:?}");
        }
    }

    assert_eq!(
        subject.scan("SCAN", None),
        model.keys().into_iter().collect()
    );
    for key in model.keys() {
        let key_text = String::from_utf8_lossy(&key).into_owned();
        let kind = subject.ask(&["TYPE", &key_text]);
        let (scan, whole, step) = match kind.as_bytes().expect("a type") {
            b"hash" => ("HSCAN", vec!["HGETALL", &key_text], 2),
            b"set" => ("SSCAN", vec!["SMEMBERS", &key_text], 1),
            b"zset" => ("ZSCAN", vec!["ZRANGE", &key_text, "0", "-1"], 1),
            _ => continue,
        };
        let whole = subject.ask(&whole);
        assert_eq!(
            subject.scan(scan, Some(&key)),
            elements(&whole, step),
            "{scan} {key_text}"
        );
    }
});
