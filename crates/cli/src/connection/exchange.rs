//! What every connection can do: send a request, receive a reply.

use std::io;

use oxidis_client::ConnectionError;
use oxidis_resp::Value;

use super::Socket;

/// Something that answers requests in the order in which they were sent.
pub trait Connection {
    /// Queues a request; the next [`receive`](Connection::receive) sends it. So a
    /// run of requests travels together.
    fn send(&mut self, request: &[&[u8]]);

    /// Answers the next reply or push message, waiting for it.
    fn receive(&mut self) -> Result<Value, ConnectionError>;

    /// Something that makes a `receive` which waits fail, called from another
    /// thread; `None` where nothing can.
    fn breaker(&self) -> Option<Box<dyn Fn() + Send>>;

    /// While a sink is set, push messages go to it as they arrive, from whichever
    /// thread notices them; otherwise they wait for `receive`. A connection that
    /// notices nothing between requests need not do anything.
    fn set_push_sink(&mut self, _sink: Option<PushSink>) {}

    /// The same connection, noticing push messages between requests where it can.
    fn listening(self: Box<Self>) -> io::Result<Box<dyn Connection>>;

    /// The socket beneath, for sending raw protocol; `None` where there is none.
    fn into_socket(self: Box<Self>) -> Option<Socket>;
}

/// Takes push messages that arrive while nobody waits for a reply.
pub type PushSink = Box<dyn FnMut(Value) + Send>;

/// Sends one request and answers its reply, as handshakes do.
pub fn call(connection: &mut dyn Connection, request: &[&[u8]]) -> Result<Value, ConnectionError> {
    connection.send(request);
    loop {
        match connection.receive()? {
            Value::Push(_) => {}
            reply => return Ok(reply),
        }
    }
}

/// Appends a request as an array of bulk strings.
pub(super) fn encode(request: &[&[u8]], out: &mut Vec<u8>) {
    let mut writer = oxidis_resp::Writer::new(out, oxidis_resp::Protocol::Resp2);
    writer.array(request.len());
    for argument in request {
        writer.bulk(argument);
    }
}
