//! The native client: sessions that are taken turns with. One that nobody else uses at the time has always the
//! same session; a thread that comes while another waits for a reply gets one more.

use std::path::PathBuf;

use oxidis_client::{Stream, Target, Uri};
use oxidis_embedded::Connection;
use parking_lot::Mutex;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};

use crate::decode;
use crate::encode;
use crate::engine::NativeEngine;
use crate::error;
use crate::line::Line;
use crate::link::Link;
use crate::notifier::Notifier;
use crate::process::OfThisProcess;
use crate::session::{self, Manner, Session};

/// Sessions that are kept for the next command.
const SPARE_MAX: usize = 64;

/// The longest value that needs no room of its own on its way to Python, in bytes.
const SHORT_MAX: usize = 128;

/// Where the sessions lead.
enum Source {
    Engine(oxidis::Engine),
    Server(Box<Target>),
}

/// The native client, as far as it is written in Rust.
#[pyclass(frozen, subclass, module = "oxidis._native")]
pub struct NativeClient {
    inner: OfThisProcess<Inner>,
    manner: Manner,
    make_error: Py<PyAny>,
    is_decoding: bool,
}

struct Inner {
    source: Source,
    /// What each session says first, as requests; and how many they are.
    greeting: Vec<u8>,
    greetings: usize,
    spare: Mutex<Vec<Link>>,
}

/// As it is shown, host, port, Unix socket, TLS.
type Address = (String, String, u16, Option<PathBuf>, bool);

/// A reply that is not there yet, to a command of an asyncio client.
#[pyclass(frozen, module = "oxidis._native")]
pub struct Pending {
    link: OfThisProcess<Mutex<Option<Link>>>,
    replies: usize,
}

impl NativeClient {
    fn open<'py>(&self, py: Python<'py>, inner: &Inner) -> PyResult<Link> {
        let mut link = match &inner.source {
            Source::Engine(engine) => Link::Engine(Box::new(Connection::open(engine.shared()))),
            Source::Server(target) => {
                let stream = py.detach(|| Stream::connect(target)).map_err(|failure| {
                    let reason = oxidis_client::describe(&failure);
                    let message = format!("Error connecting to {target}: {reason}.");
                    error::connection(py, message)
                })?;
                Link::over(stream)
            }
        };
        link.queue().extend_from_slice(&inner.greeting);
        for _ in 0..inner.greetings {
            let reply = session::receive(py, &mut link, &self.manner.style, false, None)?;
            raise_error(reply)?;
        }
        Ok(link)
    }

    /// A session that nobody uses, or a new one.
    fn take_link(&self, py: Python<'_>, inner: &Inner) -> PyResult<Link> {
        let spare = inner.spare.lock().pop();
        spare.map_or_else(|| self.open(py, inner), Ok)
    }

    /// Does something with a connection into an engine, past requests and replies; `None` if there is none that is
    /// open and unused.
    fn directly<R: Send>(
        &self,
        py: Python<'_>,
        action: impl FnOnce(&mut Connection) -> R + Send,
    ) -> PyResult<Option<R>> {
        let inner = self.inner.get(py)?;
        if matches!(inner.source, Source::Server(_)) {
            return Ok(None);
        }
        let spare = inner.spare.lock().pop();
        let Some(mut link) = spare else {
            return Ok(None);
        };
        let done = match &mut link {
            Link::Engine(connection) => Some(py.detach(|| action(connection))),
            Link::Socket(_) => None,
        };
        keep(py, inner, link);
        Ok(done)
    }

    /// GET, where nothing else is to be done; `None` where there is, and it is to go the long way.
    fn get_directly<'py>(
        &self,
        py: Python<'py>,
        key: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Some(key) = encode::plain(key) else {
            return Ok(None);
        };
        // The key is locked while it is looked at: Python makes its value of a copy.
        let found = self.directly(py, |connection| {
            connection.get_directly(key, |found| found.map(Copied::of))
        })?;
        match found.flatten() {
            Some(Some(value)) => {
                decode::string(py, value.bytes(), &self.manner.style.text).map(Some)
            }
            Some(None) => Ok(Some(py.None().into_bound(py))),
            None => Ok(None),
        }
    }

    /// SET, likewise.
    fn set_directly<'py>(
        &self,
        py: Python<'py>,
        key: &Bound<'py, PyAny>,
        value: &Bound<'py, PyAny>,
        options: &Bound<'py, PyTuple>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let (Some(key), Some(value), true) =
            (encode::plain(key), encode::plain(value), options.is_empty())
        else {
            return Ok(None);
        };
        let is_set = self.directly(py, |connection| connection.set_directly(key, value))?;
        Ok((is_set == Some(true)).then(|| intern!(py, "OK").clone().into_any()))
    }

    /// Does something with a session; one that failed is not used again.
    fn with_link<'py, R>(
        &self,
        py: Python<'py>,
        action: impl FnOnce(&mut Link) -> PyResult<R>,
    ) -> PyResult<R> {
        let inner = self.inner.get(py)?;
        let mut link = self.take_link(py, inner)?;
        match action(&mut link) {
            Ok(result) => {
                keep(py, inner, link);
                Ok(result)
            }
            Err(failure) => {
                py.detach(|| drop(link));
                Err(failure)
            }
        }
    }

    /// Sends a request, and answers its reply. Pushes that come before it are of no interest.
    fn ask<'py>(
        &self,
        py: Python<'py>,
        write: impl FnOnce(&mut Vec<u8>) -> PyResult<()>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let reply = self.with_link(py, |link| {
            if let Err(refused) = write(link.queue()) {
                // Nothing was queued: the session is as it was.
                return Ok(Err(refused));
            }
            loop {
                let reply = session::receive(py, link, &self.manner.style, false, None)?;
                match reply {
                    Some(push) if push.is_exact_instance_of::<PyTuple>() => {}
                    Some(reply) => return Ok(Ok(reply)),
                    None => {}
                }
            }
        })??;
        raise_error(Some(reply)).map(|reply| reply.unwrap_or_else(|| py.None().into_bound(py)))
    }

    /// Sends a request, and answers its reply, or what it is waited for with.
    fn begin<'py>(
        &self,
        py: Python<'py>,
        write: impl FnOnce(&mut Vec<u8>) -> PyResult<()>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let inner = self.inner.get(py)?;
        let mut link = self.take_link(py, inner)?;
        if let Err(refused) = write(link.queue()) {
            keep(py, inner, link);
            return Err(refused);
        }
        py.detach(|| link.fill())
            .map_err(|end| session::ended(py, end))?;
        loop {
            match session::take(py, &mut link, &self.manner.style, false)? {
                Some(push) if push.is_exact_instance_of::<PyTuple>() => {}
                Some(reply) => {
                    keep(py, inner, link);
                    let reply = raise_error(Some(reply))?;
                    return Ok(reply.unwrap_or_else(|| py.None().into_bound(py)));
                }
                None => {
                    let link = OfThisProcess::new(Mutex::new(Some(link)));
                    let pending = Pending { link, replies: 1 };
                    return Ok(Bound::new(py, pending)?.into_any());
                }
            }
        }
    }
}

/// A copy of a value, on the stack if it is short.
enum Copied {
    Short([u8; SHORT_MAX], usize),
    Long(Vec<u8>),
}

impl Copied {
    fn of(bytes: &[u8]) -> Self {
        if bytes.len() > SHORT_MAX {
            return Copied::Long(bytes.to_vec());
        }
        let mut short = [0; SHORT_MAX];
        short[..bytes.len()].copy_from_slice(bytes);
        Copied::Short(short, bytes.len())
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Copied::Short(bytes, length) => &bytes[..*length],
            Copied::Long(bytes) => bytes,
        }
    }
}

fn keep(py: Python<'_>, inner: &Inner, link: Link) {
    let mut spare = inner.spare.lock();
    if spare.len() < SPARE_MAX {
        spare.push(link);
    } else {
        drop(spare);
        py.detach(|| drop(link));
    }
}

/// Raises a reply that is an exception.
fn raise_error(reply: Option<Bound<'_, PyAny>>) -> PyResult<Option<Bound<'_, PyAny>>> {
    match reply {
        Some(reply) if reply.is_instance_of::<pyo3::exceptions::PyException>() => {
            Err(PyErr::from_value(reply))
        }
        reply => Ok(reply),
    }
}

/// Appends what `arguments` say: one text is a line, as it is typed at the prompt.
fn write_command(
    py: Python<'_>,
    request: &mut Vec<u8>,
    arguments: &Bound<'_, PyTuple>,
    manner: &Manner,
) -> PyResult<()> {
    if arguments.len() == 1
        && let Ok(line) = arguments.get_borrowed_item(0)?.cast::<PyString>()
    {
        let words = encode::split_line(py, line.to_str()?)?;
        let Some(name) = words.first() else {
            return Err(error::argument(py, "a command has at least one word"));
        };
        refuse_streams(py, name)?;
        encode::begin(request, words.len());
        words.iter().for_each(|word| encode::word(request, word));
        return Ok(());
    }
    if let Ok(name) = arguments.get_borrowed_item(0)
        && let Ok(name) = name.cast::<PyString>()
    {
        refuse_streams(py, name.to_str()?.as_bytes())?;
    }
    encode::request(request, arguments, &manner.encoding)
}

/// Refuses commands after which more comes than one reply: nobody would take it.
fn refuse_streams(py: Python<'_>, name: &[u8]) -> PyResult<()> {
    const STREAMS: [&str; 8] = [
        "MONITOR",
        "PSUBSCRIBE",
        "PSYNC",
        "PUNSUBSCRIBE",
        "SSUBSCRIBE",
        "SUBSCRIBE",
        "SUNSUBSCRIBE",
        "UNSUBSCRIBE",
    ];
    let is = |stream: &str| stream.as_bytes().eq_ignore_ascii_case(name);
    if name.len() >= 5 && STREAMS.iter().any(|stream| is(stream)) {
        let message =
            "more comes after it than one reply: subscribe() and psubscribe() take messages";
        return Err(error::argument(py, message));
    }
    Ok(())
}

/// Writes what a lambda asks for, or nothing.
fn whole(request: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> PyResult<()>) -> PyResult<()> {
    let start = request.len();
    let written = write(request);
    if written.is_err() {
        request.truncate(start);
    }
    written
}

#[pymethods]
impl NativeClient {
    #[new]
    #[pyo3(signature = (engine, url, make_error, decode_responses=false, db=0, username=None, password=None,
        client_name=None))]
    #[allow(clippy::too_many_arguments, reason = "they are an __init__'s")]
    fn new(
        py: Python<'_>,
        engine: Option<&NativeEngine>,
        url: Option<&str>,
        make_error: Py<PyAny>,
        decode_responses: bool,
        db: i64,
        username: Option<&str>,
        password: Option<&str>,
        client_name: Option<&str>,
    ) -> PyResult<Self> {
        let mut target = Target {
            database: db,
            user: username.map(Into::into),
            password: password.map(Into::into),
            ..Target::default()
        };
        let source = match (engine, url) {
            (Some(engine), _) => Source::Engine(engine.get(py)?.clone()),
            (None, url) => {
                apply(&mut target, url.unwrap_or("redis://"))
                    .map_err(|reason| error::argument(py, &reason))?;
                Source::Server(Box::new(target.clone()))
            }
        };
        let mut greeting = Vec::new();
        let mut greetings = 1;
        let mut hello: Vec<&[u8]> = vec![b"HELLO", b"3"];
        if let Some(password) = &target.password {
            // `redis://:password@host` names nobody.
            let user = target.user.as_deref().filter(|user| !user.is_empty());
            let user = user.unwrap_or(b"default");
            hello.extend([&b"AUTH"[..], user, password]);
        }
        if let Some(name) = client_name {
            hello.extend([&b"SETNAME"[..], name.as_bytes()]);
        }
        encode::begin(&mut greeting, hello.len());
        hello
            .iter()
            .for_each(|word| encode::word(&mut greeting, word));
        if target.database != 0 {
            encode::begin(&mut greeting, 2);
            encode::word(&mut greeting, b"SELECT");
            encode::word(&mut greeting, target.database.to_string().as_bytes());
            greetings += 1;
        }
        Ok(NativeClient {
            inner: OfThisProcess::new(Inner {
                source,
                greeting,
                greetings,
                spare: Mutex::default(),
            }),
            manner: native_manner(py, &make_error, decode_responses),
            make_error,
            is_decoding: decode_responses,
        })
    }

    /// Executes a command, given as its words or as one line, and answers its reply.
    #[pyo3(signature = (*arguments))]
    fn execute<'py>(
        &self,
        py: Python<'py>,
        arguments: &Bound<'py, PyTuple>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.ask(py, |request| {
            whole(request, |request| {
                write_command(py, request, arguments, &self.manner)
            })
        })
    }

    /// GET.
    fn get<'py>(&self, py: Python<'py>, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        match self.get_directly(py, key)? {
            Some(value) => Ok(value),
            None => self.ask(py, |request| self.write_get(request, key)),
        }
    }

    /// SET. More arguments are SET's own, such as `"EX", 10`.
    #[pyo3(signature = (key, value, *options))]
    fn set<'py>(
        &self,
        py: Python<'py>,
        key: &Bound<'py, PyAny>,
        value: &Bound<'py, PyAny>,
        options: &Bound<'py, PyTuple>,
    ) -> PyResult<Bound<'py, PyAny>> {
        match self.set_directly(py, key, value, options)? {
            Some(answer) => Ok(answer),
            None => self.ask(py, |request| self.write_set(request, key, value, options)),
        }
    }

    /// As `execute`; where the reply is not there at once, what it is waited for with.
    #[pyo3(signature = (*arguments))]
    fn begin_execute<'py>(
        &self,
        py: Python<'py>,
        arguments: &Bound<'py, PyTuple>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.begin(py, |request| {
            whole(request, |request| {
                write_command(py, request, arguments, &self.manner)
            })
        })
    }

    /// As `get`, likewise.
    fn begin_get<'py>(
        &self,
        py: Python<'py>,
        key: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        match self.get_directly(py, key)? {
            Some(value) => Ok(value),
            None => self.begin(py, |request| self.write_get(request, key)),
        }
    }

    /// As `set`, likewise.
    #[pyo3(signature = (key, value, *options))]
    fn begin_set<'py>(
        &self,
        py: Python<'py>,
        key: &Bound<'py, PyAny>,
        value: &Bound<'py, PyAny>,
        options: &Bound<'py, PyTuple>,
    ) -> PyResult<Bound<'py, PyAny>> {
        match self.set_directly(py, key, value, options)? {
            Some(answer) => Ok(answer),
            None => self.begin(py, |request| self.write_set(request, key, value, options)),
        }
    }

    /// Executes commands as one pipeline; an error is its command's reply.
    fn execute_many<'py>(
        &self,
        py: Python<'py>,
        commands: &Bound<'py, PyList>,
    ) -> PyResult<Bound<'py, PyList>> {
        let requests = self.encode_many(py, commands)?;
        let replies = self.with_link(py, |link| {
            link.queue().extend_from_slice(&requests);
            let mut replies = Vec::with_capacity(commands.len());
            while replies.len() < commands.len() {
                let reply = session::receive(py, link, &self.manner.style, false, None)?;
                replies.extend(reply.filter(|it| !it.is_exact_instance_of::<PyTuple>()));
            }
            Ok(replies)
        })?;
        PyList::new(py, replies)
    }

    /// As `execute_many`; what answers the replies is waited for with `finish`.
    fn begin_many<'py>(&self, py: Python<'py>, commands: &Bound<'py, PyList>) -> PyResult<Pending> {
        let requests = self.encode_many(py, commands)?;
        let inner = self.inner.get(py)?;
        let mut link = self.take_link(py, inner)?;
        link.queue().extend_from_slice(&requests);
        Ok(Pending {
            link: OfThisProcess::new(Mutex::new(Some(link))),
            replies: commands.len(),
        })
    }

    /// Adds what came to `replies`, and answers whether that is all. If not, the notifier says the token when there
    /// may be more; and there is more after so many seconds in any case, if the second answer is a number.
    fn advance<'py>(
        &self,
        py: Python<'py>,
        pending: &Pending,
        replies: &Bound<'py, PyList>,
        notifier: &Notifier,
        token: u64,
    ) -> PyResult<(bool, Option<f64>)> {
        let mut place = pending.link.get(py)?.lock();
        let mut link = place.take().ok_or_else(|| error::closed(py))?;
        let waker = notifier.waker(token);
        loop {
            while replies.len() < pending.replies {
                match session::take(py, &mut link, &self.manner.style, false)? {
                    Some(push) if push.is_exact_instance_of::<PyTuple>() => {}
                    Some(reply) => replies.append(reply)?,
                    None => break,
                }
            }
            if replies.len() >= pending.replies {
                keep(py, self.inner.get(py)?, link);
                return Ok((true, None));
            }
            let came = py.detach(|| link.fill_or_wake(&waker));
            if !came.map_err(|end| session::ended(py, end))? {
                let patience = link.patience().map(|it| it.as_secs_f64());
                *place = Some(link);
                return Ok((false, patience));
            }
        }
    }

    /// A session of its own, for subscriptions.
    fn session(&self, py: Python<'_>) -> PyResult<Session> {
        let link = self.open(py, self.inner.get(py)?)?;
        Ok(Session::new(link, self.own_manner(py)))
    }

    /// Where the server is: as it is shown, its host and port, its Unix socket, and whether it is spoken to by TLS.
    fn address(&self, py: Python<'_>) -> PyResult<Address> {
        match &self.inner.get(py)?.source {
            Source::Server(target) => Ok((
                target.to_string(),
                target.host.clone(),
                target.port,
                target.unix_socket.clone(),
                target.tls.is_some(),
            )),
            Source::Engine(_) => Err(error::argument(py, "an engine has no address")),
        }
    }

    /// What each connection says first, and how many replies there are to that.
    fn greeting<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyBytes>, usize)> {
        let inner = self.inner.get(py)?;
        Ok((PyBytes::new(py, &inner.greeting), inner.greetings))
    }

    /// A request as bytes.
    #[pyo3(signature = (*arguments))]
    fn encode<'py>(
        &self,
        py: Python<'py>,
        arguments: &Bound<'py, PyTuple>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        self.inner.get(py)?;
        let mut request = Vec::new();
        write_command(py, &mut request, arguments, &self.manner)?;
        Ok(PyBytes::new(py, &request))
    }

    /// Requests as bytes.
    #[pyo3(name = "encode_many")]
    fn encode_many_to_bytes<'py>(
        &self,
        py: Python<'py>,
        commands: &Bound<'py, PyList>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        self.inner.get(py)?;
        Ok(PyBytes::new(py, &self.encode_many(py, commands)?))
    }

    /// What reads the replies of a connection that is not ours.
    fn line(&self, py: Python<'_>) -> Line {
        Line::new(self.own_manner(py).style)
    }

    /// Closes the sessions. The next command opens a new one.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        if self.inner.is_ours() {
            let spare = std::mem::take(&mut *self.inner.get(py)?.spare.lock());
            py.detach(|| drop(spare));
        }
        Ok(())
    }
}

impl NativeClient {
    fn own_manner(&self, py: Python<'_>) -> Manner {
        native_manner(py, &self.make_error, self.is_decoding)
    }

    fn write_get(&self, request: &mut Vec<u8>, key: &Bound<'_, PyAny>) -> PyResult<()> {
        whole(request, |request| {
            request.extend_from_slice(b"*2\r\n$3\r\nGET\r\n");
            encode::argument(request, key, &self.manner.encoding)
        })
    }

    fn write_set(
        &self,
        request: &mut Vec<u8>,
        key: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
        options: &Bound<'_, PyTuple>,
    ) -> PyResult<()> {
        whole(request, |request| {
            encode::begin(request, 3 + options.len());
            request.extend_from_slice(b"$3\r\nSET\r\n");
            encode::argument(request, key, &self.manner.encoding)?;
            encode::argument(request, value, &self.manner.encoding)?;
            for option in options.iter_borrowed() {
                encode::argument(request, &option, &self.manner.encoding)?;
            }
            Ok(())
        })
    }

    fn encode_many(&self, py: Python<'_>, commands: &Bound<'_, PyList>) -> PyResult<Vec<u8>> {
        let mut requests = Vec::new();
        for command in commands.iter() {
            let command = command.cast_into::<PyTuple>()?;
            write_command(py, &mut requests, &command, &self.manner)?;
        }
        Ok(requests)
    }
}

/// How the native client speaks.
fn native_manner(py: Python<'_>, make_error: &Py<PyAny>, is_decoding: bool) -> Manner {
    let make_error = make_error.clone_ref(py);
    Manner::new(make_error, None, is_decoding, "utf-8", "strict")
}

/// Puts what an address says into the target.
fn apply(target: &mut Target, url: &str) -> Result<(), String> {
    let uri = Uri::parse(url).map_err(|error| format!("{}: {error}", without_password(url)))?;
    if let Some(name) = uri.unknown_parameters().first() {
        let url = without_password(url);
        return Err(format!("{url}: there is no parameter {name}, only db"));
    }
    uri.apply(target);
    Ok(())
}

/// An address for messages, which end up in logs.
fn without_password(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, place))) => format!("{scheme}://...@{place}"),
        _ => url.to_owned(),
    }
}

#[pymethods]
impl Pending {
    /// Gives up: the command is cancelled.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        if self.link.is_ours() {
            let link = self.link.get(py)?.lock().take();
            py.detach(|| drop(link));
        }
        Ok(())
    }
}
