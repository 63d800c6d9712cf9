//! A connection without a socket: what belongs to one client.

use std::collections::VecDeque;
use std::fmt;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use oxidis_engine::DirectCommand;
use oxidis_engine::value::ValueRef;
use oxidis_resp::{Protocol, Value};

use crate::{Error, FromValue};

pub use oxidis_embedded::Breaker;

/// What came by way of a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The pattern that the channel matches, if that is what was subscribed to.
    pub pattern: Option<Vec<u8>>,
    /// The channel.
    pub channel: Vec<u8>,
    /// What was said.
    pub payload: Vec<u8>,
}

/// A connection that runs straight into an engine. It speaks RESP3, is used by one thread at a time, and
/// has what belongs to one client: the selected database, transactions, subscriptions.
///
/// ```
/// let engine = oxidis::Engine::open()?;
/// let mut connection = engine.connect();
/// connection.execute(["MULTI"])?;
/// connection.execute(["INCR", "n"])?;
/// connection.execute(["INCR", "n"])?;
/// let counted: Vec<i64> = connection.query(["EXEC"])?;
/// assert_eq!(counted, [1, 2]);
/// # Ok::<(), oxidis::Error>(())
/// ```
pub struct Connection {
    inner: oxidis_embedded::Connection,
    /// What came while a reply was waited for.
    pushes: VecDeque<Vec<Value>>,
    /// A reply that came before it was waited for.
    held: Option<Value>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("id", &self.inner.id())
            .finish_non_exhaustive()
    }
}

impl Connection {
    pub(crate) fn open(engine: &std::sync::Arc<oxidis_engine::Engine>) -> Self {
        let mut inner = oxidis_embedded::Connection::open(engine);
        inner.speak(Protocol::Resp3);
        Connection {
            inner,
            pushes: VecDeque::new(),
            held: None,
        }
    }

    /// Executes a command. One that blocks, blocks the thread. Of commands with several replies, such as
    /// SUBSCRIBE to several channels, it is the last. Where there is none (CLIENT REPLY OFF) it is null.
    ///
    /// # Errors
    /// The command's, or the connection is at its end.
    pub fn execute<A: AsRef<[u8]>>(
        &mut self,
        command: impl IntoIterator<Item = A>,
    ) -> Result<Value, Error> {
        let words: Vec<A> = command.into_iter().collect();
        let awaited = Awaited::by(&words)?;
        self.inner.send(&words);
        self.reply(awaited)?
    }

    /// Executes a command, and answers its reply as a type of Rust.
    ///
    /// # Errors
    /// As [`execute`](Self::execute); and the reply may be something else.
    pub fn query<T: FromValue>(
        &mut self,
        command: impl IntoIterator<Item = impl AsRef<[u8]>>,
    ) -> Result<T, Error> {
        T::from_value(self.execute(command)?)
    }

    /// Executes commands as a pipeline; each has its own reply or error.
    ///
    /// # Errors
    /// A command has no words, and nothing was executed; or the connection is at its end.
    pub fn pipeline<C, A>(
        &mut self,
        commands: impl IntoIterator<Item = C>,
    ) -> Result<Vec<Result<Value, Error>>, Error>
    where
        C: IntoIterator<Item = A>,
        A: AsRef<[u8]>,
    {
        let commands = commands.into_iter().map(|words| {
            let words: Vec<A> = words.into_iter().collect();
            Ok((Awaited::by(&words)?, words))
        });
        let commands = commands.collect::<Result<Vec<_>, Error>>()?;
        for (_, words) in &commands {
            self.inner.send(words);
        }
        let awaited = commands.iter().map(|(awaited, _)| *awaited);
        awaited.map(|awaited| self.reply(awaited)).collect()
    }

    /// The next message of a subscription, for which it waits as long as it takes.
    ///
    /// # Errors
    /// The connection is at its end.
    pub fn next_message(&mut self) -> Result<Message, Error> {
        loop {
            let push = match self.pushes.pop_front() {
                Some(push) => push,
                None => match self.inner.receive()? {
                    Value::Push(push) => push,
                    _ => continue,
                },
            };
            if let Some(message) = message(push) {
                return Ok(message);
            }
        }
    }

    /// The next message of a subscription, for a task of whatever runtime. Dropping the future loses no message.
    ///
    /// ```
    /// # fn block_on<F: Future>(future: F) -> F::Output {
    /// #     struct Thread(std::thread::Thread);
    /// #     impl std::task::Wake for Thread {
    /// #         fn wake(self: std::sync::Arc<Self>) { self.0.unpark(); }
    /// #     }
    /// #     let waker = std::sync::Arc::new(Thread(std::thread::current())).into();
    /// #     let mut future = std::pin::pin!(future);
    /// #     loop {
    /// #         match future.as_mut().poll(&mut std::task::Context::from_waker(&waker)) {
    /// #             std::task::Poll::Ready(output) => return output,
    /// #             std::task::Poll::Pending => std::thread::park(),
    /// #         }
    /// #     }
    /// # }
    /// let engine = oxidis::Engine::open()?;
    /// let mut listener = engine.connect();
    /// listener.execute(["SUBSCRIBE", "news"])?;
    /// let publisher = engine.clone();
    /// std::thread::spawn(move || publisher.execute(["PUBLISH", "news", "hello"]));
    /// let message = block_on(async { listener.message().await })?;
    /// assert_eq!(message.payload, b"hello");
    /// # Ok::<(), oxidis::Error>(())
    /// ```
    ///
    /// # Errors
    /// The connection is at its end.
    pub async fn message(&mut self) -> Result<Message, Error> {
        std::future::poll_fn(|cx| self.poll_message(cx)).await
    }

    /// What [`message`](Self::message) is made of, for streams of one's own.
    ///
    /// # Errors
    /// The connection is at its end.
    pub fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Result<Message, Error>> {
        loop {
            let push = match self.pushes.pop_front() {
                Some(push) => push,
                None => match ready!(self.inner.poll_receive(cx))? {
                    Value::Push(push) => push,
                    _ => continue,
                },
            };
            if let Some(message) = message(push) {
                return Poll::Ready(Ok(message));
            }
        }
    }

    /// As [`next_message`](Self::next_message), but waits for `limit` at the most.
    ///
    /// # Errors
    /// The connection is at its end.
    pub fn next_message_for(&mut self, limit: Duration) -> Result<Option<Message>, Error> {
        let end = Instant::now() + limit;
        loop {
            let push = match self.pushes.pop_front() {
                Some(push) => push,
                None => {
                    let left = end.saturating_duration_since(Instant::now());
                    match self.inner.receive_for(left)? {
                        Some(Value::Push(push)) => push,
                        Some(_) => continue,
                        None => return Ok(None),
                    }
                }
            };
            if let Some(message) = message(push) {
                return Ok(Some(message));
            }
        }
    }

    /// Gives the string under a key to `found`, if nothing but GET is to be done: not in a transaction, not where
    /// somebody looks on. The key is locked meanwhile: `found` must not use the engine.
    #[inline]
    pub(crate) fn get_directly<R>(
        &mut self,
        key: &[u8],
        found: impl FnOnce(Option<&[u8]>) -> R,
    ) -> Option<R> {
        self.inner.get_directly(key, found)
    }

    /// Gives the strings under keys to `found`, if nothing but MGET is to be done; answers whether it did.
    pub(crate) fn get_many_directly<K: AsRef<[u8]>>(
        &mut self,
        keys: &[K],
        found: impl FnMut(usize, Option<&[u8]>),
    ) -> bool {
        self.inner.get_many_directly(keys, found)
    }

    /// Gives what is under a key to `read`, if nothing but the command is to be done and `read` knows the answer.
    #[inline]
    pub(crate) fn read_directly<R>(
        &mut self,
        command: DirectCommand,
        key: &[u8],
        read: impl FnOnce(Option<ValueRef<'_>>) -> Option<R>,
    ) -> Option<R> {
        self.inner.read_directly(command, key, read)
    }

    /// Sets a string, if nothing but SET is to be done; answers whether it did.
    #[inline]
    pub(crate) fn set_directly(&mut self, key: &[u8], value: &[u8]) -> bool {
        self.inner.set_directly(key, value)
    }

    /// What ends the connection from another thread, for instance while it waits.
    pub fn breaker(&self) -> Breaker {
        self.inner.breaker()
    }

    /// The reply to a command; the inner result is the command's.
    fn reply(&mut self, awaited: Awaited) -> Result<Result<Value, Error>, Error> {
        let mut last = Value::Null;
        let mut confirmations = 0;
        while awaited != Awaited::Confirmations(confirmations) {
            let next = match self.held.take() {
                Some(value) => Some(value),
                None => self.inner.reply()?,
            };
            match next {
                None => break,
                Some(Value::Push(push)) if awaited != Awaited::Reply && is_confirmation(&push) => {
                    last = Value::Push(push);
                    confirmations += 1;
                }
                Some(Value::Push(push)) => self.pushes.push_back(push),
                Some(Value::Attribute { .. }) => {}
                // It is the next command's.
                Some(reply) if confirmations > 0 => {
                    self.held = Some(reply);
                    break;
                }
                Some(Value::Error(text) | Value::BulkError(text)) => {
                    let message = String::from_utf8_lossy(&text).into_owned();
                    return Ok(Err(Error::Command { message }));
                }
                Some(reply) => return Ok(Ok(reply)),
            }
        }
        Ok(Ok(last))
    }
}

/// What a command is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Awaited {
    Reply,
    /// So many confirmations of subscriptions.
    Confirmations(usize),
    /// As many of them as there are.
    AllConfirmations,
}

impl Awaited {
    /// What a command is answered with.
    ///
    /// # Errors
    /// It has no words.
    fn by<A: AsRef<[u8]>>(words: &[A]) -> Result<Self, Error> {
        let Some((name, operands)) = words.split_first() else {
            let message = "ERR a command has at least one word".to_owned();
            return Err(Error::Command { message });
        };
        let name = name.as_ref().to_ascii_lowercase();
        let is_end = matches!(&*name, b"unsubscribe" | b"punsubscribe" | b"sunsubscribe");
        let is_beginning = matches!(&*name, b"subscribe" | b"psubscribe" | b"ssubscribe");
        Ok(match operands.len() {
            0 if is_end => Awaited::AllConfirmations,
            count if count > 0 && (is_beginning || is_end) => Awaited::Confirmations(count),
            _ => Awaited::Reply,
        })
    }
}

/// Whether a push is what SUBSCRIBE and its like answer.
fn is_confirmation(push: &[Value]) -> bool {
    let kind = push.first().and_then(Value::as_bytes).unwrap_or_default();
    kind.ends_with(b"subscribe")
}

fn message(push: Vec<Value>) -> Option<Message> {
    let mut parts = push.into_iter().map(Vec::from_value);
    let mut part = || parts.next()?.ok();
    match part()?.as_slice() {
        b"message" | b"smessage" => Some(Message {
            pattern: None,
            channel: part()?,
            payload: part()?,
        }),
        b"pmessage" => Some(Message {
            pattern: Some(part()?),
            channel: part()?,
            payload: part()?,
        }),
        _ => None,
    }
}
