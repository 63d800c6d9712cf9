//! What a body is given: a fresh data set on a server that was told to choose one encoding, over a
//! connection that speaks one protocol; and the loop over all of them.

use std::time::{Duration, Instant};

use oxidis_testkit::transcript::Protocol;
use oxidis_testkit::{Client, Reply, ServerBuilder, TestServer};

use super::expected::{Expected, OK};
use super::forms::{Form, Kind};

/// A time far enough away that no test sees it come: in the year 3021, in seconds.
pub const FAR: i64 = 33_177_117_420;

/// How long is waited for what takes its time.
const PATIENCE: Duration = Duration::from_secs(10);

const DEFAULTS: &[(&str, &str)] = &[
    ("hash-max-listpack-entries", "128"),
    ("list-max-listpack-size", "-2"),
    ("list-compress-depth", "0"),
    ("set-max-intset-entries", "512"),
    ("set-max-listpack-entries", "128"),
    ("zset-max-listpack-entries", "128"),
    ("notify-keyspace-events", ""),
];

/// A body, and what it is run for.
pub struct Body {
    pub name: &'static str,
    pub forms: &'static [Form],
    pub run: fn(&mut Case<'_>),
}

/// Names the bodies of a file: the forms, and the functions that are run for them.
macro_rules! bodies {
    ($($forms:ident: [$($name:ident),+ $(,)?]),+ $(,)?) => {
        pub const BODIES: &[$crate::matrix::case::Body] = &[
            $($($crate::matrix::case::Body {
                name: stringify!($name),
                forms: $crate::matrix::forms::$forms,
                run: $name,
            },)+)+
        ];

        mod in_every_form {
            $($(
                #[test]
                fn $name() {
                    $crate::matrix::case::run_by_name(super::BODIES, stringify!($name));
                }
            )+)+
        }
    };
}

/// Runs a body for each of its forms in each protocol, on one server.
pub fn run_by_name(bodies: &[Body], name: &str) {
    let body = bodies.iter().find(|body| body.name == name);
    let body = body.expect("it is named in the list");
    let server = ServerBuilder::oxidis().start().expect("the server starts");
    for form in body.forms {
        for protocol in [Protocol::Resp2, Protocol::Resp3] {
            run(&server, body, form, protocol);
        }
    }
}

/// Runs a body once.
pub fn run(server: &TestServer, body: &Body, form: &'static Form, protocol: Protocol) {
    let name = format!(
        "{} ({:?} as {}, {protocol:?})",
        body.name, form.kind, form.encoding
    );
    let mut case = Case {
        main: Peer::new(server.client(), protocol, name),
        server,
        form,
        has_seen_encoding: false,
    };
    case.ok("FLUSHALL");
    for (directive, value) in DEFAULTS.iter().chain(form.settings) {
        case.ok(&format!("CONFIG SET {directive} \"{value}\""));
    }
    (body.run)(&mut case);
    assert!(
        case.has_seen_encoding || form.kind == Kind::None,
        "{} never asks for the encoding",
        case.main.name
    );
}

/// A connection that says for which case it fails.
pub struct Peer {
    client: Client,
    protocol: Protocol,
    name: String,
}

impl Peer {
    fn new(client: Client, protocol: Protocol, name: String) -> Self {
        let mut peer = Peer {
            client,
            protocol,
            name,
        };
        if protocol == Protocol::Resp3 {
            peer.client.run("HELLO 3");
        }
        peer
    }

    /// Sends a command and answers what comes back.
    #[track_caller]
    pub fn run(&mut self, line: &str) -> Reply {
        self.client.run(line)
    }

    /// Sends a command, and has something to say against any other reply.
    #[track_caller]
    pub fn expect(&mut self, line: &str, expected: impl Into<Expected>) {
        let reply = self.client.run(line);
        self.compare(line, &reply, &expected.into());
    }

    /// Sends a command that is to fail with this text.
    #[track_caller]
    pub fn fails(&mut self, line: &str, text: &str) {
        let reply = self.client.run(line);
        let expected = Reply::Error(text.as_bytes().to_vec());
        assert_eq!(reply, expected, "{}: {line}", self.name);
    }

    /// Sends a command and does not wait.
    pub fn send(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        self.client.send(&words).expect("it is sent");
    }

    /// Waits for the next reply or message.
    #[track_caller]
    pub fn receive(&mut self, expected: impl Into<Expected>) {
        let reply = self.client.receive().expect("a reply");
        self.compare("a message", &reply, &expected.into());
    }

    /// Waits for these messages, whichever comes first.
    #[track_caller]
    pub fn receive_in_any_order(&mut self, expected: &[Expected]) {
        let mut missing: Vec<&Expected> = expected.iter().collect();
        while !missing.is_empty() {
            let reply = self.client.receive().expect("a message");
            let found = missing
                .iter()
                .position(|it| it.matches(&reply, self.protocol));
            let found = found.unwrap_or_else(|| panic!("{}: got {reply}", self.name));
            missing.remove(found);
        }
    }

    /// Waits for the next reply, which is to be this error.
    #[track_caller]
    pub fn receive_error(&mut self, text: &str) {
        let reply = self.client.receive().expect("a reply");
        assert_eq!(
            reply,
            Reply::Error(text.as_bytes().to_vec()),
            "{}",
            self.name
        );
    }

    #[track_caller]
    fn compare(&self, line: &str, reply: &Reply, expected: &Expected) {
        assert!(
            expected.matches(reply, self.protocol),
            "{}: {line}\nexpected:\n{}\ngot:\n{reply}",
            self.name,
            expected.reply(self.protocol)
        );
    }
}

/// What a body is given.
pub struct Case<'s> {
    main: Peer,
    server: &'s TestServer,
    form: &'static Form,
    has_seen_encoding: bool,
}

impl Case<'_> {
    /// The form that the body is run for.
    pub fn form(&self) -> &'static Form {
        self.form
    }

    /// The protocol that it is run in.
    pub fn protocol(&self) -> Protocol {
        self.main.protocol
    }

    /// One more connection.
    pub fn peer(&self) -> Peer {
        Peer::new(
            self.server.client(),
            self.main.protocol,
            self.main.name.clone(),
        )
    }

    /// As [`Peer::run`].
    #[track_caller]
    pub fn run(&mut self, line: &str) -> Reply {
        self.main.run(line)
    }

    /// As [`Peer::expect`].
    #[track_caller]
    pub fn expect(&mut self, line: &str, expected: impl Into<Expected>) {
        self.main.expect(line, expected);
    }

    /// Sends a command that is to answer OK.
    #[track_caller]
    pub fn ok(&mut self, line: &str) {
        self.main.expect(line, OK);
    }

    /// As [`Peer::fails`].
    #[track_caller]
    pub fn fails(&mut self, line: &str, text: &str) {
        self.main.fails(line, text);
    }

    /// Sends a command whose reply is a number in a range.
    #[track_caller]
    pub fn expect_within(&mut self, line: &str, range: std::ops::RangeInclusive<i64>) {
        let reply = self.main.run(line);
        let is_within = matches!(reply, Reply::Integer(number) if range.contains(&number));
        assert!(
            is_within,
            "{}: {line} is {reply}, not in {range:?}",
            self.main.name
        );
    }

    /// Sends a command whose reply is one of these strings.
    #[track_caller]
    pub fn expect_one_of(&mut self, line: &str, choices: &[&str]) {
        let reply = self.main.run(line);
        let is_choice = choices.contains(&reply.text().as_str());
        assert!(
            is_choice,
            "{}: {line} is {reply}, not of {choices:?}",
            self.main.name
        );
    }

    /// Demands that a key is encoded as the form says.
    #[track_caller]
    pub fn encoded(&mut self, key: &str) {
        self.main
            .expect(&format!("OBJECT ENCODING {key}"), self.form.encoding);
        self.has_seen_encoding = true;
    }

    /// HSET, whose fields get a time to live if those of the form have one.
    #[track_caller]
    pub fn hash(&mut self, key: &str, pairs: &str) {
        self.run(&format!("HSET {key} {pairs}"));
        if self.form.has_field_expiry {
            let fields: Vec<&str> = pairs.split(' ').step_by(2).collect();
            let (count, fields) = (fields.len(), fields.join(" "));
            let reply = self.run(&format!("HEXPIREAT {key} {FAR} FIELDS {count} {fields}"));
            assert_eq!(reply, Reply::Array(vec![Reply::Integer(1); count]));
        }
    }

    /// Makes a value of the form: of some elements if it is a collection, which are numbers from 1 on.
    #[track_caller]
    pub fn make(&mut self, key: &str) {
        match self.form.kind {
            Kind::None => panic!("the form is of no type"),
            Kind::String => self.ok(&format!("SET {key} \"{}\"", self.form.text)),
            Kind::List => self.expect(&format!("RPUSH {key} 3 1 2"), 3),
            Kind::Hash => self.hash(key, "1 one 2 two 3 three"),
            Kind::Set => self.expect(&format!("SADD {key} 3 1 2"), 3),
            Kind::SortedSet => self.expect(&format!("ZADD {key} 1.5 3 -1 1 2 2"), 3),
        }
        self.encoded(key);
    }

    /// Changes what [`Case::make`] made.
    #[track_caller]
    pub fn change(&mut self, key: &str) {
        let line = match self.form.kind {
            Kind::None => panic!("the form is of no type"),
            Kind::String => format!("APPEND {key} 1"),
            Kind::List => format!("RPUSH {key} 4"),
            Kind::Hash => format!("HSET {key} 4 four"),
            Kind::Set => format!("SADD {key} 4"),
            Kind::SortedSet => format!("ZADD {key} 4 4"),
        };
        assert!(!self.run(&line).is_error(), "{line}");
    }

    /// The whole value of a key, such that equal values have equal ones.
    pub fn content(&mut self, key: &str) -> Vec<Reply> {
        let line = match self.form.kind {
            Kind::None => panic!("the form is of no type"),
            Kind::String => format!("GET {key}"),
            Kind::List => format!("LRANGE {key} 0 -1"),
            Kind::Hash => format!("HGETALL {key}"),
            Kind::Set => format!("SMEMBERS {key}"),
            Kind::SortedSet => format!("ZRANGE {key} 0 -1 WITHSCORES"),
        };
        let mut content = match self.run(&line) {
            Reply::Map(pairs) => pairs
                .into_iter()
                .map(|(field, value)| Reply::Array(vec![field, value]))
                .collect(),
            Reply::Array(flat) if self.form.kind == Kind::Hash => {
                let pairs = flat.chunks(2);
                pairs.map(|pair| Reply::Array(pair.to_vec())).collect()
            }
            Reply::Array(elements) | Reply::Set(elements) => elements,
            other => vec![other],
        };
        if matches!(self.form.kind, Kind::Hash | Kind::Set) {
            content.sort();
        }
        if self.form.kind == Kind::Hash {
            content.push(self.run(&format!("HEXPIRETIME {key} FIELDS 3 1 2 3")));
        }
        content
    }

    /// Demands that a key has this content, in the encoding of the form.
    #[track_caller]
    pub fn has_content(&mut self, key: &str, content: &[Reply]) {
        assert_eq!(self.content(key), content, "{}: {key}", self.main.name);
        self.encoded(key);
    }

    /// All that a scanning command finds, in ascending order. `line` has `CURSOR` where the cursor
    /// goes.
    pub fn scan(&mut self, line: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut cursor = "0".to_owned();
        loop {
            let reply = self.run(&line.replace("CURSOR", &cursor));
            let Some([next, elements]) = reply.elements() else {
                panic!("{}: {line}: {reply}", self.main.name);
            };
            let elements = elements.elements().expect("an array");
            found.extend(elements.iter().map(Reply::text));
            cursor = next.text();
            if cursor == "0" {
                found.sort();
                found.dedup();
                return found;
            }
        }
    }

    /// Sends a command over a connection of its own, and waits until it blocks.
    #[track_caller]
    pub fn block(&mut self, line: &str) -> Peer {
        let blocked = self.blocked_count();
        let mut peer = self.peer();
        peer.send(line);
        self.wait_until(|case| case.blocked_count() == blocked + 1);
        peer
    }

    fn blocked_count(&mut self) -> usize {
        let info = self.run("INFO clients").text();
        let field = info
            .lines()
            .find_map(|line| line.strip_prefix("blocked_clients:"));
        field
            .and_then(|it| it.trim().parse().ok())
            .expect("a number")
    }

    /// Waits until something is so.
    #[track_caller]
    pub fn wait_until(&mut self, mut is_so: impl FnMut(&mut Self) -> bool) {
        let start = Instant::now();
        while !is_so(self) {
            assert!(
                start.elapsed() < PATIENCE,
                "{}: nothing happens",
                self.main.name
            );
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
