//! Every limit of the protocol, with the values that Redis uses.
//!
//! How a limit is enforced is the business of the parser that it binds.

/// The longest line without its end that a parser waits for, in bytes: an inline
/// request, a multibulk count or a bulk length.
pub const LINE_MAX_BYTES: usize = 64 * 1024;

/// The most arguments of one request.
pub const ARGUMENTS_MAX: i64 = i32::MAX as i64;

/// The most arguments of one request of a client that has yet to authenticate.
pub const UNAUTHENTICATED_ARGUMENTS_MAX: i64 = 10;

/// The longest argument, in bytes, of a client that has yet to authenticate.
pub const UNAUTHENTICATED_BULK_MAX_BYTES: u64 = 16 * 1024;

/// What `proto-max-bulk-len` is when nobody sets it, in bytes.
pub const DEFAULT_BULK_MAX_BYTES: u64 = 512 * 1024 * 1024;

/// The limits of requests that depend on configuration and on the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestLimits {
    /// The longest argument, in bytes: `proto-max-bulk-len`, which is never below 1 MiB.
    pub bulk_max_bytes: u64,
    /// Whether the client must still authenticate, so that the small limits hold.
    pub unauthenticated: bool,
}

impl Default for RequestLimits {
    fn default() -> Self {
        RequestLimits {
            bulk_max_bytes: DEFAULT_BULK_MAX_BYTES,
            unauthenticated: false,
        }
    }
}

/// How deeply a reply may nest before a [`ReplyParser`](crate::ReplyParser) refuses it.
pub const REPLY_DEPTH_MAX: usize = 128;

/// The longest line of a reply, in bytes, that a [`ReplyParser`](crate::ReplyParser)
/// waits for: simple strings and errors have no other bound.
pub const REPLY_LINE_MAX_BYTES: usize = 16 * 1024 * 1024;
