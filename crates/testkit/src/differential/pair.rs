//! A pair of servers: what goes to both, and how what comes back is compared. Calls on the main
//! connection travel in batches. Where calls on other connections come between, each call waits
//! until the one before it has had its effect, so that both servers see the same order.

use std::io;
use std::thread;
use std::time::Duration;

use super::calls::{Call, Connection, Step, StepKind};
use super::coverage::Coverage;
use super::damage;
use super::draws::draw_mistake;
use super::pools::USERS;
use super::scenarios::SHORT_TTL_WAIT_MS;
use super::state;
use crate::client::{Client, Words, encode_command};
use crate::reply::join_words;
use crate::rules::{Comparison, messages_difference};
use crate::{Reply, ServerBuilder, TestServer};

/// How long a reply may take: nothing that is sent blocks for long.
const REPLY_LIMIT: Duration = Duration::from_secs(10);

/// How much is shown of the log of a server that ended.
const LOG_LINES: usize = 60;

/// The channel whose messages mark where the events of a batch end.
const END_CHANNEL: &str = "the-end-of-a-batch";

/// What the last PING on a connection is given, to be known when it comes back.
const END_WORD: &str = "the-end-of-a-step";

/// Where something differed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In a reply to a call of the step of this index.
    Reply(usize),
    /// In the keyspace events of a batch.
    Events,
    /// In the key spaces after a batch.
    State,
}

impl Place {
    /// Whether both are replies, or events, or states.
    pub fn is_like(self, other: Self) -> bool {
        std::mem::discriminant(&self) == std::mem::discriminant(&other)
    }
}

/// Where and how the two servers differed.
#[derive(Debug)]
pub struct Mismatch {
    /// Where.
    pub place: Place,
    /// The command that was answered differently.
    pub name: Option<String>,
    /// How.
    pub difference: String,
}

impl Mismatch {
    fn reply(step: usize, words: &Words, difference: String) -> Self {
        Self {
            place: Place::Reply(step),
            name: Some(String::from_utf8_lossy(&words[0]).to_uppercase()),
            difference,
        }
    }

    fn at(place: Place, difference: String) -> Self {
        Self {
            place,
            name: None,
            difference,
        }
    }
}

/// Two running servers.
#[derive(Debug)]
pub struct Pair {
    reference: Side,
    subject: Side,
    comparison: Comparison,
    /// See [`Self::has_met_change`].
    met_change: bool,
}

impl Pair {
    /// Starts both. On fresh key spaces the limits are put back to these.
    pub fn start(
        reference: &ServerBuilder,
        subject: &ServerBuilder,
        limits: &'static [(&'static str, &'static str)],
    ) -> io::Result<Self> {
        Ok(Self {
            reference: Side::start("the reference", reference, limits)?,
            subject: Side::start("the server under test", subject, limits)?,
            comparison: Comparison::default(),
            met_change: false,
        })
    }

    /// Fresh connections and empty key spaces.
    pub fn refresh(&mut self) -> io::Result<()> {
        self.comparison = Comparison::default();
        self.reference.refresh()?;
        self.subject.refresh()
    }

    /// Sends steps and compares what comes back, and the events that they gave rise to, and
    /// the digests of the key spaces that they left.
    pub fn run(&mut self, steps: &[Step], coverage: &mut Coverage) -> Option<Mismatch> {
        // A step that waits cuts the sequence: what it waits for must have happened on both sides.
        let mut start = 0;
        let is_alone = |step: &Step| {
            matches!(
                step.kind,
                StepKind::Expiry | StepKind::Several | StepKind::Carry
            )
        };
        while start < steps.len() {
            let len = match steps[start..].iter().position(is_alone) {
                Some(0) => 1,
                Some(position) => position,
                None => steps.len() - start,
            };
            let part = &steps[start..start + len];
            let found = match part[0].kind {
                StepKind::Expiry => self.run_waiting(&part[0], coverage),
                StepKind::Several => self.run_several(&part[0], coverage),
                StepKind::Carry => self.run_carry(&part[0], coverage),
                _ => self.run_part(part, coverage),
            };
            if let Some(mut mismatch) = found {
                if let Place::Reply(step) = &mut mismatch.place {
                    *step += start;
                }
                return Some(mismatch);
            }
            start += len;
        }
        self.compare_events().or_else(|| self.compare_digests())
    }

    fn run_waiting(&mut self, step: &Step, coverage: &mut Coverage) -> Option<Mismatch> {
        let part = |calls: &[Call]| {
            [Step {
                calls: calls.to_vec(),
                kind: StepKind::Plain,
            }]
        };
        let (first, rest) = step.calls.split_at(1);
        self.run_part(&part(first), coverage).or_else(|| {
            thread::sleep(Duration::from_millis(SHORT_TTL_WAIT_MS));
            self.run_part(&part(rest), coverage)
        })
    }

    /// Both servers are given both payloads, one after the other.
    fn run_carry(&mut self, step: &Step, coverage: &mut Coverage) -> Option<Mismatch> {
        let dump = &step.calls[0].words;
        let payloads = match self.ask_both(dump, coverage) {
            Ok((Reply::Bulk(one), Reply::Bulk(other))) => [one, other],
            Ok(_) => return None,
            Err(difference) => return Some(Mismatch::reply(0, dump, difference)),
        };
        for payload in payloads {
            for call in &step.calls[1..] {
                let mut words = call.words.clone();
                if call.is("RESTORE") {
                    words[3] = damage::apply(&words[3], &payload);
                }
                if let Err(difference) = self.ask_both(&words, coverage) {
                    return Some(Mismatch::reply(0, &words, difference));
                }
            }
        }
        None
    }

    /// Sends a call to both servers and takes their replies, which must count as the same.
    fn ask_both(
        &mut self,
        words: &Words,
        coverage: &mut Coverage,
    ) -> Result<(Reply, Reply), String> {
        let _ = self.reference.main.send(words);
        let _ = self.subject.main.send(words);
        self.compare_next(words, coverage)
    }

    fn run_part(&mut self, steps: &[Step], coverage: &mut Coverage) -> Option<Mismatch> {
        let mut bytes = Vec::new();
        for call in steps.iter().flat_map(|step| &step.calls) {
            encode_command(&mut bytes, &call.words);
        }
        // What fails here fails again at `receive`, where it is told.
        let _ = self.reference.main.send_bytes(&bytes);
        let _ = self.subject.main.send_bytes(&bytes);
        for (index, step) in steps.iter().enumerate() {
            let mut subject_replies = Vec::with_capacity(step.calls.len());
            for (at, call) in step.calls.iter().enumerate() {
                if !step.is_answered(at) {
                    // Perhaps one version refused it.
                    self.met_change = true;
                    continue;
                }
                let words = &call.words;
                match self.compare_next(words, coverage) {
                    Ok((_, actual)) => subject_replies.push(actual),
                    Err(difference) => return Some(Mismatch::reply(index, words, difference)),
                }
                if step.kind == StepKind::Draw
                    && subject_replies.len() == 2
                    && let Some(text) =
                        draw_mistake(words, &subject_replies[0], &subject_replies[1])
                {
                    return Some(Mismatch::reply(index, words, text));
                }
            }
        }
        None
    }

    /// Takes the next reply of each main connection; answers both, or how they differ.
    fn compare_next(
        &mut self,
        words: &Words,
        coverage: &mut Coverage,
    ) -> Result<(Reply, Reply), String> {
        let expected = self.reference.main.receive();
        let expected = expected.map_err(|error| self.reference.describe(&error))?;
        let actual = self.subject.main.receive();
        let actual = actual.map_err(|error| self.subject.describe(&error))?;
        coverage.note(words, &expected);
        match self.comparison.difference(words, &expected, &actual) {
            Some(text) => Err(format!("{}: {text}", join_words(words))),
            None => Ok((expected, actual)),
        }
    }

    fn run_several(&mut self, step: &Step, coverage: &mut Coverage) -> Option<Mismatch> {
        for call in &step.calls {
            let result = match call.connection {
                Connection::Main => {
                    let _ = self.reference.main.send(&call.words);
                    let _ = self.subject.main.send(&call.words);
                    self.compare_next(&call.words, coverage).map(drop)
                }
                other => self.start_on(other, &call.words),
            };
            if let Err(difference) = result {
                return Some(Mismatch::reply(0, &call.words, difference));
            }
        }
        for connection in Connection::OTHERS {
            let sent: Vec<&Words> = step
                .calls
                .iter()
                .filter(|call| call.connection == connection)
                .map(|call| &call.words)
                .collect();
            let Some(last) = sent.last() else {
                continue;
            };
            if let Err(difference) = self.compare_rest(connection, &sent, coverage) {
                return Some(Mismatch::reply(0, last, difference));
            }
        }
        None
    }

    fn start_on(&mut self, connection: Connection, words: &Words) -> Result<(), String> {
        for side in [&mut self.reference, &mut self.subject] {
            if let Err(error) = side.start_on(connection, words) {
                return Err(side.describe(&error));
            }
        }
        Ok(())
    }

    /// Ends what may still wait on a connection, and compares all that came there.
    fn compare_rest(
        &mut self,
        connection: Connection,
        sent: &[&Words],
        coverage: &mut Coverage,
    ) -> Result<(), String> {
        let expected = self.reference.finish(connection);
        let expected = expected.map_err(|error| self.reference.describe(&error))?;
        let actual = self.subject.finish(connection);
        let actual = actual.map_err(|error| self.subject.describe(&error))?;
        let name = connection.name();
        if expected.was_waiting != actual.was_waiting {
            if actual.was_waiting && expected.replies.last().is_some_and(is_stream_of_nothing) {
                return Ok(());
            }
            let is = |waits| if waits { "waits" } else { "does not wait" };
            return Err(format!(
                "@{name}: expected that it {}, but it {}",
                is(expected.was_waiting),
                is(actual.was_waiting)
            ));
        }
        // Where each call has one reply, the calls say how they are compared.
        if expected.replies.len() == sent.len() && actual.replies.len() == sent.len() {
            let mut comparison = Comparison::default();
            for (words, (expected, actual)) in sent
                .iter()
                .zip(expected.replies.iter().zip(&actual.replies))
            {
                coverage.note(words, expected);
                if let Some(text) = comparison.difference(words, expected, actual) {
                    return Err(format!("@{name} {}: {text}", join_words(words)));
                }
            }
            self.met_change |= comparison.take_met_change();
            return Ok(());
        }
        for words in sent {
            coverage.note(words, &Reply::Null);
        }
        let (mut expected, mut actual) = (expected.replies, actual.replies);
        if self.has_met_change() {
            forget_misses(&mut expected);
            forget_misses(&mut actual);
        }
        match messages_difference(&expected, &actual) {
            Some(text) => Err(format!("@{name}: {text}")),
            None => Ok(()),
        }
    }

    /// Whether in this batch a command was answered as the versions differ, or not answered: one of
    /// them may have refused it before it looked for keys.
    fn has_met_change(&mut self) -> bool {
        self.met_change |= self.comparison.take_met_change();
        self.met_change
    }

    fn compare_events(&mut self) -> Option<Mismatch> {
        let mut expected = match self.reference.events() {
            Ok(events) => events,
            Err(error) => {
                let text = format!("no events: {}", self.reference.describe(&error));
                return Some(Mismatch::at(Place::Events, text));
            }
        };
        let difference = match self.subject.events() {
            Ok(mut actual) => {
                if self.has_met_change() {
                    forget_misses(&mut expected);
                    forget_misses(&mut actual);
                }
                messages_difference(&expected, &actual)
            }
            Err(error) => Some(format!("no events: {}", self.subject.describe(&error))),
        };
        self.met_change = false;
        difference.map(|text| Mismatch::at(Place::Events, text))
    }

    fn compare_digests(&mut self) -> Option<Mismatch> {
        match self.have_same_digest() {
            Ok(true) => None,
            Ok(false) => self.compare_states().or_else(|| self.compare_left()),
            Err(error) => Some(Mismatch::at(Place::State, self.subject.describe(&error))),
        }
    }

    /// Compares the digests once more without the keys whose time is over, of which one server may have kept more: it
    /// was not the events that differed, so a command that is answered as the versions differ has left them.
    fn compare_left(&mut self) -> Option<Mismatch> {
        let mut is_same = || -> io::Result<bool> {
            for side in [&mut self.reference, &mut self.subject] {
                state::delete_expired(&mut side.server.client())?;
                side.events()?;
            }
            self.have_same_digest()
        };
        (!is_same().unwrap_or(false)).then(|| {
            let text = "DEBUG DIGEST differs, and nothing else".to_owned();
            Mismatch::at(Place::State, text)
        })
    }

    fn have_same_digest(&mut self) -> io::Result<bool> {
        let digest = ["DEBUG", "DIGEST"];
        let expected = self.reference.control.command(&digest)?;
        Ok(self.subject.control.command(&digest)? == expected)
    }

    /// Compares everything that is in all databases.
    pub fn compare_states(&mut self) -> Option<Mismatch> {
        let compare = || {
            let mut expected = self.reference.server.client();
            let mut actual = self.subject.server.client();
            expected.set_reply_limit(REPLY_LIMIT)?;
            actual.set_reply_limit(REPLY_LIMIT)?;
            state::difference(&mut expected, &mut actual)
        };
        let difference = compare().unwrap_or_else(|error| Some(self.subject.describe(&error)));
        difference.map(|text| Mismatch::at(Place::State, text))
    }

    /// The commands that both servers have, in capitals; a blank before a subcommand.
    pub fn common_commands(&mut self) -> io::Result<Vec<String>> {
        let list = |side: &mut Side| -> io::Result<Vec<String>> {
            let names = side.control.command(&["COMMAND", "LIST"])?;
            let names = names.elements().unwrap_or_default();
            let name = |reply: &Reply| reply.text().to_uppercase().replace('|', " ");
            Ok(names.iter().map(name).collect())
        };
        let subject = list(&mut self.subject)?;
        let mut common = list(&mut self.reference)?;
        common.retain(|name| subject.contains(name));
        common.sort();
        Ok(common)
    }
}

/// Leaves out what is told of missed keys, and of keys that were found to be over.
fn forget_misses(messages: &mut Vec<Reply>) {
    let is_miss = |message: &Reply| {
        let mut parts = message.elements().unwrap_or_default().iter().rev();
        let payload = parts.next().and_then(Reply::bytes).unwrap_or_default();
        let channel = parts.next().and_then(Reply::bytes).unwrap_or_default();
        ["keymiss", "expired"].iter().any(|event| {
            let of_event = channel.strip_suffix(event.as_bytes());
            of_event.is_some_and(|before| before.ends_with(b"__:"))
                || channel.starts_with(b"__keyspace@") && payload == event.as_bytes()
        })
    };
    messages.retain(|message| !is_miss(message));
}

/// Whether this is how XREAD answers of streams in which nothing is new.
fn is_stream_of_nothing(reply: &Reply) -> bool {
    let is_nothing = |entries: &Reply| entries.elements().is_some_and(<[_]>::is_empty);
    match reply {
        Reply::Map(streams) => streams.iter().all(|(_, entries)| is_nothing(entries)),
        Reply::Array(streams) => {
            let mut entries = streams.iter().map(|stream| stream.elements()?.get(1));
            entries.all(|entries| entries.is_some_and(is_nothing))
        }
        _ => false,
    }
}

/// What came on a connection until it was told to end.
#[derive(Debug)]
struct Rest {
    /// Whether a call still waited.
    was_waiting: bool,
    replies: Vec<Reply>,
}

/// One of the two servers.
#[derive(Debug)]
struct Side {
    name: &'static str,
    server: TestServer,
    limits: &'static [(&'static str, &'static str)],
    main: Client,
    others: Vec<Other>,
    /// Sends nothing that is compared.
    control: Client,
    /// Is told of all keyspace events.
    observer: Client,
}

/// A connection beside the main one.
#[derive(Debug)]
struct Other {
    client: Client,
    id: String,
    /// What came while something else was waited for.
    received: Vec<Reply>,
}

fn connect(server: &TestServer) -> io::Result<Client> {
    let mut client = Client::connect(server.address())?;
    client.set_reply_limit(REPLY_LIMIT)?;
    Ok(client)
}

impl Other {
    fn connect(server: &TestServer) -> io::Result<Self> {
        let mut client = connect(server)?;
        let id = client.command(&["CLIENT", "ID"])?.text();
        Ok(Self {
            client,
            id,
            received: Vec::new(),
        })
    }

    /// Waits for the reply to `PING END_WORD`; what comes before it is kept. Who is somebody without rights is refused it.
    fn receive_until_end(&mut self) -> io::Result<()> {
        let end = Reply::bulk(END_WORD);
        loop {
            let reply = self.client.receive()?;
            let is_refused = |error: &[u8]| {
                error.starts_with(b"NOPERM ") && error.ends_with(b" run the 'ping' command")
            };
            let is_end = reply == end
                || matches!(&reply, Reply::Error(error) if is_refused(error))
                || reply.elements().is_some_and(|elements| {
                    elements.len() == 2 && elements[0] == Reply::bulk("pong") && elements[1] == end
                });
            if is_end {
                return Ok(());
            }
            self.received.push(reply);
        }
    }
}

impl Side {
    fn start(
        name: &'static str,
        builder: &ServerBuilder,
        limits: &'static [(&'static str, &'static str)],
    ) -> io::Result<Self> {
        let server = builder.start()?;
        let mut control = connect(&server)?;
        control.command(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"])?;
        let mut observer = connect(&server)?;
        observer.command(&["SUBSCRIBE", END_CHANNEL])?;
        observer.command(&["PSUBSCRIBE", "__keyevent@*__:*"])?;
        Ok(Self {
            name,
            main: connect(&server)?,
            others: Vec::new(),
            control,
            observer,
            limits,
            server,
        })
    }

    fn refresh(&mut self) -> io::Result<()> {
        self.main = connect(&self.server)?;
        self.others.clear();
        self.control.command(&["FLUSHALL"])?;
        self.control.command(&["SCRIPT", "FLUSH"])?;
        self.control.command(&["FUNCTION", "FLUSH"])?;
        let mut delete_users = vec![&b"ACL"[..], b"DELUSER"];
        delete_users.extend(USERS);
        self.control.command(&delete_users)?;
        self.control.command(&["ACL", "LOG", "RESET"])?;
        let mut set = vec!["CONFIG", "SET"];
        set.extend(self.limits.iter().flat_map(|&(name, value)| [name, value]));
        self.control.command(&set)?;
        self.events().map(drop)
    }

    fn other(&mut self, connection: Connection) -> io::Result<&mut Other> {
        while self.others.len() < Connection::OTHERS.len() {
            self.others.push(Other::connect(&self.server)?);
        }
        let index = usize::from(connection == Connection::Third);
        Ok(&mut self.others[index])
    }

    /// Sends a call that may block, and waits until the server has begun it. It is sent together with
    /// a PING before it: a server executes what it reads at once before it answers any of it.
    fn start_on(&mut self, connection: Connection, words: &Words) -> io::Result<()> {
        let other = self.other(connection)?;
        let mut bytes = Vec::new();
        encode_command(&mut bytes, &["PING", END_WORD]);
        encode_command(&mut bytes, words);
        other.client.send_bytes(&bytes)?;
        other.receive_until_end()
    }

    fn finish(&mut self, connection: Connection) -> io::Result<Rest> {
        let id = self.other(connection)?.id.clone();
        let unblocked = self.control.command(&["CLIENT", "UNBLOCK", &id])?;
        let other = self.other(connection)?;
        let mut bytes = Vec::new();
        encode_command(&mut bytes, &["PING", END_WORD]);
        encode_command(&mut bytes, &["RESET"]);
        other.client.send_bytes(&bytes)?;
        other.receive_until_end()?;
        // RESET is answered by one reply; subscriptions that it ends are not told.
        let reset = other.client.receive()?;
        let mut replies = std::mem::take(&mut other.received);
        if reset != Reply::Simple(b"RESET".to_vec()) {
            replies.push(reset);
        }
        Ok(Rest {
            was_waiting: unblocked == Reply::Integer(1),
            replies,
        })
    }

    /// The keyspace events since it was last asked.
    fn events(&mut self) -> io::Result<Vec<Reply>> {
        self.control.command(&["PUBLISH", END_CHANNEL, END_WORD])?;
        let end = Reply::Array(vec![
            Reply::bulk("message"),
            Reply::bulk(END_CHANNEL),
            Reply::bulk(END_WORD),
        ]);
        let mut events = Vec::new();
        loop {
            let message = self.observer.receive()?;
            if message == end {
                return Ok(events);
            }
            events.push(message);
        }
    }

    /// Why a connection failed.
    fn describe(&mut self, error: &io::Error) -> String {
        let name = self.name;
        let what = match self.server.is_running() {
            true => "does not answer",
            false => "has ended",
        };
        let log = self.server.log();
        // From the last panic, or the first lines of a crash report, if there is any.
        let lines: Vec<&str> = log.lines().collect();
        let is_start =
            |line: &&str| line.contains("panicked at") || line.contains("BUG REPORT START");
        let start = lines.iter().rposition(is_start);
        let start = start.unwrap_or(lines.len().saturating_sub(LOG_LINES));
        let tail: Vec<&str> = lines[start..].iter().take(LOG_LINES).copied().collect();
        format!("{name} {what}: {error}\n{}", tail.join("\n"))
    }
}
