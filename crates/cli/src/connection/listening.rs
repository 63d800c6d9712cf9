//! A server connection at an idle prompt: a thread reads it all the time, so that a
//! push message is shown when it comes and not when the next command is sent.

use std::io::{self, Write};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use oxidis_client::{ConnectionError, ReplyReader, Stream};
use oxidis_resp::Value;

use super::{Connection, PushSink, Socket, encode};

/// A socket with a thread that reads it. Dropping it ends the connection and with it
/// the thread.
pub struct Listening {
    stream: Stream,
    unsent: Vec<u8>,
    replies: Receiver<Result<Value, ConnectionError>>,
    push_sink: Arc<Mutex<Option<PushSink>>>,
}

impl Listening {
    /// Starts to read `socket`.
    pub fn start(socket: Socket) -> io::Result<Listening> {
        let (stream, reader) = socket.into_parts();
        let readable = stream.try_clone()?;
        let (sender, replies) = mpsc::channel();
        let push_sink = Arc::new(Mutex::new(None));
        let sink = Arc::clone(&push_sink);
        thread::Builder::new()
            .name("oxidis-cli-reader".into())
            .spawn(move || read_replies(readable, reader, &sender, &sink))?;
        Ok(Listening {
            stream,
            unsent: Vec::new(),
            replies,
            push_sink,
        })
    }
}

/// Reads until the stream ends, which is also what ends it when the prompt lets go.
fn read_replies(
    mut stream: Stream,
    mut reader: ReplyReader,
    replies: &Sender<Result<Value, ConnectionError>>,
    push_sink: &Mutex<Option<PushSink>>,
) {
    loop {
        let reply = reader.receive(&mut stream);
        // The lock is held until the message is delivered, one way or the other: who
        // takes the sink away finds every later message in the channel.
        let mut push_sink = push_sink.lock().unwrap_or_else(PoisonError::into_inner);
        match (reply, &mut *push_sink) {
            (Ok(push @ Value::Push(_)), Some(show)) => show(push),
            (reply, _) => {
                let ended = reply.is_err();
                if replies.send(reply).is_err() || ended {
                    return;
                }
            }
        }
    }
}

impl Connection for Listening {
    fn send(&mut self, request: &[&[u8]]) {
        encode(request, &mut self.unsent);
    }

    fn receive(&mut self) -> Result<Value, ConnectionError> {
        if !self.unsent.is_empty() {
            let sent = self.stream.write_all(&self.unsent);
            self.unsent.clear();
            if let Err(error) = sent {
                return self.replies.try_recv().unwrap_or(Err(error.into()));
            }
        }
        // The thread sends an error before it ends; once that was taken there is
        // nothing more to say.
        self.replies.recv().unwrap_or(Err(ConnectionError::Closed))
    }

    fn breaker(&self) -> Option<Box<dyn Fn() + Send>> {
        let stream = self.stream.try_clone().ok()?;
        Some(Box::new(move || stream.shutdown()))
    }

    fn set_push_sink(&mut self, sink: Option<PushSink>) {
        *self
            .push_sink
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = sink;
    }

    fn listening(self: Box<Self>) -> io::Result<Box<dyn Connection>> {
        Ok(self)
    }

    fn into_socket(self: Box<Self>) -> Option<Socket> {
        None
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.stream.shutdown();
    }
}
