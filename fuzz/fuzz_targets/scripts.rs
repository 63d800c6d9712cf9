//! The limits of scripts: whatever a script does, it ends when it is asked to, with a reply, without
//! more memory than it may have; and the next script finds everything in order.
#![no_main]

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use libfuzzer_sys::fuzz_target;
use oxidis_engine::command::Args;
use oxidis_engine::config::Config;
use oxidis_engine::{Clock, Engine, EngineOptions, Host, Session, Worker};
use oxidis_fuzz::commands::Choices;
use oxidis_fuzz::scripts::script;
use oxidis_resp::{ReplyError, ReplyParser, Value};
use oxidis_script::Lua;

/// Bytes that a script may have: what it copies again and again between two looks at the clock.
const MEMORY_MAX_BYTES: usize = 4 << 20;

/// A clock on which every look takes ten milliseconds: so that time passes, and always as much.
struct Ticking(AtomicI64);

impl Clock for Ticking {
    fn now_us(&self) -> i64 {
        self.0.fetch_add(10_000, Ordering::Relaxed)
    }
}

/// Ends a script once it is busy.
struct Impatient;

impl Host for Impatient {
    fn serve_while_busy(&self, engine: &Arc<Engine>) {
        assert!(engine.stop_script(true));
    }
}

struct Subject {
    worker: Worker,
    session: Session,
}

impl Subject {
    fn new() -> Self {
        let config = Arc::new(Config::new(1));
        config
            .set_default("busy-reply-threshold", b"100")
            .expect("it may be 100");
        let lua = Lua::with_memory_max(config.clone(), 1, MEMORY_MAX_BYTES);
        let engine = Engine::new(EngineOptions {
            config,
            clock: Arc::new(Ticking(AtomicI64::new(1_000_000_000))),
            host: Arc::new(Impatient),
            snapshot_codec: None,
            interpreter: Some(Arc::new(lua)),
            seed: 1,
            workers: 1,
        });
        Subject {
            worker: Worker::new(&engine),
            session: Session::new(&engine, "fuzz".into(), "fuzz".into()),
        }
    }

    /// The reply to a script; none if it is nested more deeply than our parser goes, which Lua's tables
    /// may be.
    fn evaluate(&mut self, source: &str) -> Option<Value> {
        let mut reply = Vec::new();
        let command = [&b"EVAL"[..], source.as_bytes(), b"0"];
        self.session
            .execute_arguments(&mut self.worker, Args::slices(&command), &mut reply);
        let parsed = match ReplyParser::new().parse(&reply) {
            Err(ReplyError::TooDeep) => return None,
            parsed => parsed.expect("a reply"),
        };
        assert_eq!(parsed.consumed, reply.len(), "one reply to one script");
        Some(parsed.value.expect("a whole reply"))
    }
}

thread_local! {
    /// Lives on from input to input: what one script leaves behind must not harm the next.
    static SUBJECT: RefCell<Subject> = RefCell::new(Subject::new());
}

fuzz_target!(|bytes: &[u8]| {
    SUBJECT.with(|subject| {
        let mut subject = subject.borrow_mut();
        let source = script(&mut Choices::new(bytes, 200));
        subject.evaluate(&source);
        assert_eq!(
            subject.evaluate("return #string.rep('x', 1000000)"),
            Some(Value::Integer(1_000_000)),
            "after {source}"
        );
    });
});
