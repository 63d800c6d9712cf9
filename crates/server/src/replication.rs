//! A replica's conversation with its primary: connecting, the handshake, the data set, the stream.
//!
//! One thread does it for as long as there is a primary. What comes is given to the engine's
//! [`PrimaryLink`], which says what it means.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use oxidis_engine::config::{Config, LogLevel};
use oxidis_engine::replication::{LinkStage, Primary, PrimaryLink, TransferProgress};
use oxidis_engine::{Engine, Worker};
use oxidis_resp::{Protocol, Writer};
use parking_lot::Mutex;

use crate::log;

/// How long a read waits before it is looked whether the primary is still followed.
const READ_STEP: Duration = Duration::from_millis(100);

/// How long it is waited before the next try.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// How often the primary is told how far this server is, and that it is there while it loads.
const SIGN_INTERVAL: Duration = Duration::from_secs(1);

/// Bytes that are read at a time.
const READ_BYTES: usize = 64 << 10;

/// More than this is not read ahead of commands that a pause holds back.
const HELD_BACK_MAX_BYTES: usize = 64 << 20;

/// The length of the mark behind a data set whose length is not known.
const MARK_BYTES: usize = 40;

/// Bytes of a reply line beyond which nobody answers sensibly.
const LINE_MAX_BYTES: usize = 64 << 10;

/// Why a link ended, for the log.
#[derive(Debug, thiserror::Error)]
enum LinkError {
    #[error("Error condition on socket for SYNC: {0}")]
    Socket(#[from] io::Error),
    #[error("{0}")]
    Refused(String),
    #[error("Connection with master lost.")]
    Lost,
    #[error("MASTER timeout: no data nor PING received...")]
    Timeout,
    /// Somebody wants it to end.
    #[error("the link is not wanted any more")]
    Unwanted,
}

/// The thread that follows a primary; there is none before there has been a primary.
#[derive(Default)]
pub(crate) struct Follower {
    thread: Mutex<Option<JoinHandle<()>>>,
    is_stopping: Arc<AtomicBool>,
}

impl Follower {
    /// Told that another primary is to be followed, or none.
    pub(crate) fn wake(&self, engine: &Arc<Engine>) {
        let mut slot = self.thread.lock();
        if let Some(thread) = &*slot {
            return thread.thread().unpark();
        }
        if engine.primary().is_none() {
            return;
        }
        let (engine, is_stopping) = (engine.clone(), self.is_stopping.clone());
        let builder = thread::Builder::new().name("oxidis-replica".to_owned());
        match builder.spawn(move || run(&engine, &is_stopping)) {
            Ok(thread) => *slot = Some(thread),
            Err(error) => log::line(
                LogLevel::Warning,
                &format!("No thread can be made to follow the primary: {error}"),
            ),
        }
    }

    /// Ends the thread.
    pub(crate) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Release);
        if let Some(thread) = self.thread.lock().take() {
            thread.thread().unpark();
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}

fn run(engine: &Arc<Engine>, is_stopping: &AtomicBool) {
    let mut worker = Worker::new(engine);
    while !is_stopping.load(Ordering::Acquire) {
        let Some(primary) = engine.primary() else {
            thread::park();
            continue;
        };
        let followed = follow(engine.config(), &mut worker, &primary, is_stopping);
        if let Err(error) = followed
            && !matches!(error, LinkError::Unwanted)
        {
            log::line(LogLevel::Warning, &error.to_string());
            // Ends early when there is another primary.
            thread::park_timeout(RETRY_DELAY);
        }
    }
}

/// Follows a primary for as long as the link lasts.
fn follow(
    config: &Config,
    worker: &mut Worker,
    primary: &Primary,
    is_stopping: &AtomicBool,
) -> Result<(), LinkError> {
    let line = format!("Connecting to MASTER {}:{}", primary.host, primary.port);
    log::line(LogLevel::Notice, &line);
    let mut link = PrimaryLink::new(worker, primary);
    link.set_stage(LinkStage::Connecting);
    let timeout = Duration::from_secs(config.repl_timeout_seconds().max(1));
    let stream = connect(config, primary, timeout)?;
    let mut conversation = Conversation {
        stream,
        unread: Vec::new(),
        timeout,
    };
    let is_wanted =
        |link: &PrimaryLink<'_>| link.is_current() && !is_stopping.load(Ordering::Acquire);
    link.set_stage(LinkStage::Handshake);
    let ends = || !is_wanted(&link);
    introduce(config, &mut conversation, &ends)?;
    let (id, next) = link.wanted();
    conversation.send(&[b"PSYNC", id.as_bytes(), next.to_string().as_bytes()])?;
    let answer = conversation.line(&ends)?;
    let mut words = answer.split(' ');
    match words.next() {
        Some("+CONTINUE") => link.resume(words.next()),
        Some("+FULLRESYNC") => {
            let place = words
                .next()
                .zip(words.next().and_then(|it| it.parse().ok()));
            let (id, offset) = place.ok_or_else(|| LinkError::Refused(answer.clone()))?;
            let line = format!("Full resync from master: {id}:{offset}");
            log::line(LogLevel::Notice, &line);
            transfer(&mut link, &mut conversation, id, offset, is_stopping)?;
        }
        _ => {
            let line = format!("Unexpected reply to PSYNC from master: {answer}");
            return Err(LinkError::Refused(line));
        }
    }
    repeat(&mut link, &mut conversation, is_stopping)
}

fn connect(config: &Config, primary: &Primary, timeout: Duration) -> io::Result<TcpStream> {
    let source = config.bind_source_addr();
    let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in (&*primary.host, primary.port).to_socket_addrs()? {
        match connect_to(address, &source, timeout) {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// Connects to one address, from the one that `bind-source-addr` says if it says one of that family.
fn connect_to(address: SocketAddr, source: &[u8], timeout: Duration) -> io::Result<TcpStream> {
    let domain = socket2::Domain::for_address(address);
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None)?;
    let source = String::from_utf8_lossy(source);
    if let Ok(source) = source.parse::<std::net::IpAddr>()
        && source.is_ipv4() == address.is_ipv4()
    {
        socket.bind(&SocketAddr::new(source, 0).into())?;
    }
    socket.connect_timeout(&address.into(), timeout)?;
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(READ_STEP))?;
    stream.set_write_timeout(Some(timeout))?;
    Ok(stream)
}

/// Tells the primary who asks.
fn introduce(
    config: &Config,
    conversation: &mut Conversation,
    ends: &dyn Fn() -> bool,
) -> Result<(), LinkError> {
    let pong = conversation.ask(&[b"PING"], ends)?;
    let is_there = ["+", "-NOAUTH", "-NOPERM", "-ERR operation not permitted"];
    if !is_there.iter().any(|start| pong.starts_with(start)) {
        let line = format!("Error reply to PING from master: '{pong}'");
        return Err(LinkError::Refused(line));
    }
    let (user, password) = (config.masteruser(), config.masterauth());
    if !password.is_empty() {
        let answer = match user.is_empty() {
            true => conversation.ask(&[b"AUTH", &password], ends)?,
            false => conversation.ask(&[b"AUTH", &user, &password], ends)?,
        };
        if answer.starts_with('-') {
            let line = format!("Unable to AUTH to MASTER: {answer}");
            return Err(LinkError::Refused(line));
        }
    }
    let port = match config.replica_announce_port() {
        0 => config.port(),
        port => port,
    };
    let port = port.to_string();
    let mut told: Vec<Vec<&[u8]>> = vec![vec![b"listening-port", port.as_bytes()]];
    let address = config.replica_announce_ip();
    if !address.is_empty() {
        told.push(vec![b"ip-address", &address]);
    }
    told.push(vec![b"capa", b"eof", b"capa", b"psync2"]);
    for words in told {
        let words = [&[&b"REPLCONF"[..]], &words[..]].concat();
        let answer = conversation.ask(&words, ends)?;
        if answer.starts_with('-') {
            // Primaries that do not know it do without.
            let line = format!("(Non critical) Master does not understand REPLCONF: {answer}");
            log::line(LogLevel::Notice, &line);
        }
    }
    Ok(())
}

/// Takes the data set.
fn transfer(
    link: &mut PrimaryLink<'_>,
    conversation: &mut Conversation,
    id: &str,
    offset: u64,
    is_stopping: &AtomicBool,
) -> Result<(), LinkError> {
    let progress = link.begin_transfer();
    let announced = {
        let ends = || !progress.add(0) || is_stopping.load(Ordering::Acquire);
        conversation.line(&ends)?
    };
    let end = announced.strip_prefix('$').and_then(End::parse);
    let Some(end) = end else {
        let line = format!("Bad protocol from MASTER, the first byte is not '$': {announced}");
        return Err(LinkError::Refused(line));
    };
    let mut source = DataSet {
        conversation,
        end,
        ready: Vec::new(),
        progress,
        is_stopping,
        last_sign: Instant::now(),
    };
    let taken = link.take_over(&mut source, id, offset);
    if taken.is_ok() {
        // Behind the data stands the mark.
        io::copy(&mut source, &mut io::sink())?;
    }
    taken.map_err(|reason| {
        LinkError::Refused(format!(
            "Failed trying to load the MASTER synchronization DB: {reason}"
        ))
    })
}

/// Repeats what comes.
fn repeat(
    link: &mut PrimaryLink<'_>,
    conversation: &mut Conversation,
    is_stopping: &AtomicBool,
) -> Result<(), LinkError> {
    acknowledge(link, conversation)?;
    let mut last_sign = Instant::now();
    let mut last_read = Instant::now();
    let mut chunk = vec![0; READ_BYTES];
    loop {
        let consumed = link
            .apply(&conversation.unread)
            .map_err(LinkError::Refused)?;
        conversation.unread.drain(..consumed);
        if conversation.unread.is_empty() && conversation.unread.capacity() > READ_BYTES {
            conversation.unread = Vec::new();
        }
        if link.is_asked() || last_sign.elapsed() >= SIGN_INTERVAL {
            last_sign = Instant::now();
            acknowledge(link, conversation)?;
        }
        if is_stopping.load(Ordering::Acquire) {
            return Err(LinkError::Unwanted);
        }
        if !link.is_current() {
            return Err(LinkError::Lost);
        }
        let is_behind = link.is_held_back() && conversation.unread.len() > HELD_BACK_MAX_BYTES;
        if is_behind {
            thread::sleep(READ_STEP);
            continue;
        }
        match conversation.stream.read(&mut chunk) {
            Ok(0) => return Err(LinkError::Lost),
            Ok(count) => {
                conversation.unread.extend_from_slice(&chunk[..count]);
                link.note_read(count);
                last_read = Instant::now();
            }
            Err(error) if is_timeout(&error) => {
                if last_read.elapsed() > conversation.timeout {
                    return Err(LinkError::Timeout);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn acknowledge(link: &PrimaryLink<'_>, conversation: &mut Conversation) -> Result<(), LinkError> {
    let (offset, on_disk) = link.progress();
    let offset = offset.to_string();
    let on_disk = on_disk.map(|offset| offset.to_string());
    let mut words: Vec<&[u8]> = vec![b"REPLCONF", b"ACK", offset.as_bytes()];
    if let Some(on_disk) = &on_disk {
        words.extend([&b"FACK"[..], on_disk.as_bytes()]);
    }
    conversation.send(&words)
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

/// A connection to a primary, and what was read of it too early.
struct Conversation {
    stream: TcpStream,
    unread: Vec<u8>,
    timeout: Duration,
}

impl Conversation {
    fn send(&mut self, words: &[&[u8]]) -> Result<(), LinkError> {
        let mut bytes = Vec::new();
        let mut out = Writer::new(&mut bytes, Protocol::Resp2);
        out.array(words.len());
        words.iter().for_each(|word| out.bulk(word));
        Ok(self.stream.write_all(&bytes)?)
    }

    fn ask(&mut self, words: &[&[u8]], ends: &dyn Fn() -> bool) -> Result<String, LinkError> {
        self.send(words)?;
        self.line(ends)
    }

    /// The next line that is not empty, without its end.
    fn line(&mut self, ends: &dyn Fn() -> bool) -> Result<String, LinkError> {
        loop {
            while let Some(end) = self.unread.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                if !line.is_empty() {
                    return Ok(line);
                }
            }
            if self.unread.len() > LINE_MAX_BYTES {
                return Err(LinkError::Refused(
                    "MASTER does not answer sensibly".to_owned(),
                ));
            }
            let mut chunk = [0; 4096];
            let count = self.read(&mut chunk, ends)?;
            self.unread.extend_from_slice(&chunk[..count]);
        }
    }

    /// Reads what comes next; never nothing.
    fn read(&mut self, chunk: &mut [u8], ends: &dyn Fn() -> bool) -> Result<usize, LinkError> {
        let started = Instant::now();
        loop {
            if ends() {
                return Err(LinkError::Unwanted);
            }
            match self.stream.read(chunk) {
                Ok(0) => return Err(LinkError::Lost),
                Ok(count) => return Ok(count),
                Err(error) if is_timeout(&error) => {
                    if started.elapsed() > self.timeout {
                        return Err(LinkError::Timeout);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Where a data set ends.
#[derive(Debug, Clone, PartialEq, Eq)]
enum End {
    /// After so many bytes more.
    After(u64),
    /// Before this mark, behind which nothing comes until it is asked for.
    Mark(Vec<u8>),
    Reached,
}

impl End {
    /// What the primary says behind `$`.
    fn parse(text: &str) -> Option<End> {
        match text.strip_prefix("EOF:") {
            Some(mark) if mark.len() == MARK_BYTES => Some(End::Mark(mark.as_bytes().to_vec())),
            Some(_) => None,
            None => text.parse().ok().map(End::After),
        }
    }
}

/// A data set as it comes.
struct DataSet<'c> {
    conversation: &'c mut Conversation,
    end: End,
    /// What came and is surely no part of the mark.
    ready: Vec<u8>,
    progress: TransferProgress,
    is_stopping: &'c AtomicBool,
    last_sign: Instant,
}

impl DataSet<'_> {
    /// Waits for more, and tells the primary meanwhile that this server is there.
    fn receive(&mut self) -> io::Result<()> {
        if self.last_sign.elapsed() >= SIGN_INTERVAL {
            self.last_sign = Instant::now();
            self.conversation.stream.write_all(b"\n")?;
        }
        let (progress, is_stopping) = (&self.progress, self.is_stopping);
        let ends = || !progress.add(0) || is_stopping.load(Ordering::Acquire);
        let mut chunk = [0; READ_BYTES];
        let count = self.conversation.read(&mut chunk, &ends);
        let count = count.map_err(io::Error::other)?;
        progress.add(count);
        self.conversation.unread.extend_from_slice(&chunk[..count]);
        Ok(())
    }

    /// Moves what is surely data from what was read to what is ready.
    fn sort_out(&mut self) {
        let unread = &mut self.conversation.unread;
        match &mut self.end {
            End::Reached => {}
            End::After(left) => {
                let count = unread
                    .len()
                    .min(usize::try_from(*left).unwrap_or(usize::MAX));
                self.ready.extend(unread.drain(..count));
                *left -= count as u64;
                if *left == 0 {
                    self.end = End::Reached;
                }
            }
            End::Mark(mark) if unread.ends_with(mark) => {
                unread.truncate(unread.len() - MARK_BYTES);
                self.ready.append(unread);
                self.end = End::Reached;
            }
            End::Mark(_) => {
                let count = unread.len().saturating_sub(MARK_BYTES);
                self.ready.extend(unread.drain(..count));
            }
        }
    }
}

impl Read for DataSet<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.sort_out();
        while self.ready.is_empty() && self.end != End::Reached {
            self.receive()?;
            self.sort_out();
        }
        let count = buffer.len().min(self.ready.len());
        buffer[..count].copy_from_slice(&self.ready[..count]);
        self.ready.drain(..count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn the_end_of_a_data_set_is_announced_in_two_ways() {
        let mark = "0123456789012345678901234567890123456789";
        let at_mark = End::Mark(mark.as_bytes().to_vec());
        assert_eq!(End::parse(&format!("EOF:{mark}")), Some(at_mark));
        assert_eq!(End::parse("12"), Some(End::After(12)));
        for nonsense in ["EOF:short", "-1", "x", ""] {
            assert_eq!(End::parse(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn lines_and_signs_of_life_are_told_apart() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it has one");
        let stream = connect_to(address, b"", Duration::from_secs(5)).expect("it accepts");
        let (mut other, _) = listener.accept().expect("somebody came");
        other.write_all(b"\n\n+CONTINUE x\r\nrest").expect("sent");
        let mut conversation = Conversation {
            stream,
            unread: Vec::new(),
            timeout: Duration::from_secs(5),
        };
        let line = conversation.line(&|| false).expect("it comes");
        assert_eq!(line, "+CONTINUE x");
        assert_eq!(conversation.unread, b"rest");
        drop(other);
        assert!(matches!(conversation.line(&|| false), Err(LinkError::Lost)));
    }
}
