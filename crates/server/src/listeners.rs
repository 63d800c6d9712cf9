//! The addresses that the server listens on, and changing them while it runs (CONFIG SET `port` and
//! `bind`). What is done with an accepted connection stands in `server`.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener, ToSocketAddrs};
use std::sync::mpsc as blocking;

use oxidis_engine::config::Config;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use crate::ServerError;

/// An address as the configuration asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted {
    host: String,
    port: u16,
    is_tls: bool,
    /// Whether the server does without it if this machine has no such address.
    is_optional: bool,
}

/// A listener on its way to the thread that accepts its connections.
pub(crate) struct NewListener {
    pub(crate) listener: StdListener,
    pub(crate) is_tls: bool,
    /// Resolves when no more connections are to be accepted.
    pub(crate) stop: oneshot::Receiver<()>,
    /// Dropped after the listener was.
    pub(crate) closed: blocking::Sender<()>,
}

/// A listener whose connections are being accepted.
struct Open {
    wanted: Wanted,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    closed: blocking::Receiver<()>,
}

/// All TCP listeners of a server.
pub(crate) struct Listeners {
    open: Mutex<Vec<Open>>,
    accepting: mpsc::UnboundedSender<NewListener>,
}

impl Listeners {
    /// Listens on what the configuration names. The listeners go to `accepting`. With `any_port`
    /// port 0 is any free one instead of none.
    pub(crate) fn open(
        config: &Config,
        any_port: bool,
        accepting: mpsc::UnboundedSender<NewListener>,
    ) -> Result<Self, ServerError> {
        let listeners = Self {
            open: Mutex::default(),
            accepting,
        };
        let opened = match config.port() {
            0 if any_port => {
                let mut opened = listen_anywhere(config)?;
                opened.extend(listen_all(&wanted_by_tls(config), config.tcp_backlog())?);
                opened
            }
            _ => listen_all(&wanted_by(config), config.tcp_backlog())?,
        };
        listeners.add(&mut listeners.open.lock(), opened);
        Ok(listeners)
    }

    /// The addresses that the server listens on, without TLS or with it.
    pub(crate) fn addresses(&self, is_tls: bool) -> Vec<SocketAddr> {
        let open = self.open.lock();
        open.iter()
            .filter(|open| open.wanted.is_tls == is_tls)
            .map(|open| open.address)
            .collect()
    }

    /// Listens on nothing any more.
    pub(crate) fn close_all(&self) {
        self.open.lock().drain(..).for_each(close);
    }

    /// Listens on what the configuration names now, and on nothing else. What is named still is not
    /// interrupted. On an error everything is as it was.
    pub(crate) fn reconfigure(&self, config: &Config) -> Result<(), ServerError> {
        let mut open = self.open.lock();
        let backlog = config.tcp_backlog();
        let wanted = wanted_by(config);
        let is_open = |wanted: &Wanted| open.iter().any(|open| open.wanted == *wanted);
        let missing: Vec<Wanted> = wanted
            .iter()
            .filter(|wanted| !is_open(wanted))
            .cloned()
            .collect();
        let surplus: Vec<usize> = (0..open.len())
            .rev()
            .filter(|&index| !wanted.contains(&open[index].wanted))
            .collect();
        if let Some(twice) = wanted_twice(&wanted) {
            return Err(in_use(twice));
        }
        match listen_all(&missing, backlog) {
            Ok(opened) => {
                surplus
                    .into_iter()
                    .for_each(|index| close(open.remove(index)));
                self.add(&mut open, opened);
                Ok(())
            }
            // A listener on every address of a port excludes one on some address of it.
            Err(error) if is_in_use(&error) && !surplus.is_empty() => {
                let mut closed: Vec<Wanted> = surplus
                    .into_iter()
                    .map(|index| {
                        let surplus = open.remove(index);
                        let wanted = surplus.wanted.clone();
                        close(surplus);
                        wanted
                    })
                    .collect();
                closed.reverse();
                match listen_all(&missing, backlog) {
                    Ok(opened) => {
                        self.add(&mut open, opened);
                        Ok(())
                    }
                    Err(error) => {
                        // Only bad luck can have given them to somebody else in between.
                        self.add(&mut open, listen_all(&closed, backlog)?);
                        Err(error)
                    }
                }
            }
            Err(error) => Err(error),
        }
    }

    fn add(&self, open: &mut Vec<Open>, opened: Vec<(Wanted, StdListener)>) {
        for (wanted, listener) in opened {
            let Ok(address) = listener.local_addr() else {
                continue;
            };
            let (stop, stopped) = oneshot::channel();
            let (closing, closed) = blocking::channel();
            // Without a thread that accepts the server is stopping.
            let _ = self.accepting.send(NewListener {
                listener,
                is_tls: wanted.is_tls,
                stop: stopped,
                closed: closing,
            });
            open.push(Open {
                wanted,
                address,
                stop,
                closed,
            });
        }
    }
}

/// Closes a listener, and returns when it is closed.
fn close(open: Open) {
    // It may be closed already, with the thread that accepted.
    let _ = open.stop.send(());
    let _ = open.closed.recv();
}

fn wanted_by(config: &Config) -> Vec<Wanted> {
    let plain = wanted_at(config, config.port(), false);
    plain.into_iter().chain(wanted_by_tls(config)).collect()
}

fn wanted_by_tls(config: &Config) -> Vec<Wanted> {
    wanted_at(config, config.tls_port(), true)
}

/// Port 0 is none.
fn wanted_at(config: &Config, port: u16, is_tls: bool) -> Vec<Wanted> {
    if port == 0 {
        return Vec::new();
    }
    let addresses = config.bind_addresses();
    let wanted = addresses.iter().map(|address| {
        let text = String::from_utf8_lossy(address);
        let host = match text.strip_prefix('-').unwrap_or(&text) {
            "*" => "0.0.0.0",
            "::*" => "::",
            host => host,
        };
        Wanted {
            host: host.to_owned(),
            port,
            is_tls,
            is_optional: text.starts_with('-'),
        }
    });
    wanted.collect()
}

/// Listens on a free port, the same for every address.
fn listen_anywhere(config: &Config) -> Result<Vec<(Wanted, StdListener)>, ServerError> {
    let mut opened = Vec::new();
    let mut port = 0;
    // Any number stands for the port until there is one.
    for wanted in wanted_at(config, u16::MAX, false) {
        let wanted = Wanted { port, ..wanted };
        for (wanted, listener) in listen_all(&[wanted], config.tcp_backlog())? {
            port = listener.local_addr()?.port();
            opened.push((Wanted { port, ..wanted }, listener));
        }
    }
    Ok(opened)
}

/// An address that is named a second time: on its own it would be found in use.
fn wanted_twice(wanted: &[Wanted]) -> Option<&Wanted> {
    wanted.iter().find(|it| {
        let same = |other: &&Wanted| (&other.host, other.port) == (&it.host, it.port);
        wanted.iter().filter(same).count() > 1
    })
}

fn in_use(wanted: &Wanted) -> ServerError {
    ServerError::Listen {
        address: format!("{}:{}", wanted.host, wanted.port),
        source: io::ErrorKind::AddrInUse.into(),
    }
}

fn listen_all(wanted: &[Wanted], backlog: u32) -> Result<Vec<(Wanted, StdListener)>, ServerError> {
    let mut opened = Vec::new();
    for wanted in wanted {
        match listen_on(&wanted.host, wanted.port, backlog) {
            Ok(listener) => opened.push((wanted.clone(), listener)),
            Err(error) if wanted.is_optional && is_missing(&error) => {}
            Err(source) => {
                let address = format!("{}:{}", wanted.host, wanted.port);
                return Err(ServerError::Listen { address, source });
            }
        }
    }
    Ok(opened)
}

/// Whether this machine has no such address, or no such kind of address: what optional ones are for. A name that
/// cannot be resolved is none.
fn is_missing(error: &io::Error) -> bool {
    error.raw_os_error().is_some() && error.kind() != io::ErrorKind::AddrInUse
}

fn is_in_use(error: &ServerError) -> bool {
    matches!(error, ServerError::Listen { source, .. } if source.kind() == io::ErrorKind::AddrInUse)
}

fn listen_on(host: &str, port: u16, backlog: u32) -> io::Result<StdListener> {
    let address = (host, port)
        .to_socket_addrs()?
        .next()
        .ok_or_else(|| io::Error::other("the name has no address"))?;
    let socket = socket2::Socket::new(
        socket2::Domain::for_address(address),
        socket2::Type::STREAM,
        None,
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Accepts nothing, but closes what is to be closed.
    fn closer() -> mpsc::UnboundedSender<NewListener> {
        let (sender, mut receiver) = mpsc::unbounded_channel::<NewListener>();
        std::thread::spawn(move || {
            while let Some(new) = receiver.blocking_recv() {
                std::thread::spawn(move || {
                    // An error means that nobody will ever stop it.
                    let _ = new.stop.blocking_recv();
                    drop(new.listener);
                    drop(new.closed);
                });
            }
        });
        sender
    }

    fn set(config: &Config, name: &str, value: &str) {
        config.set_default(name, value.as_bytes()).unwrap();
    }

    #[cfg(target_os = "linux")]
    fn hosts(listeners: &Listeners) -> Vec<String> {
        listeners
            .addresses(false)
            .iter()
            .map(|address| address.ip().to_string())
            .collect()
    }

    /// Elsewhere the loopback interface has but one address.
    #[cfg(target_os = "linux")]
    #[test]
    fn addresses_change_while_the_server_runs() {
        let config = Config::new(0);
        set(&config, "port", "0");
        set(&config, "bind", "127.0.0.1");
        let listeners = Listeners::open(&config, true, closer()).unwrap();
        let first = listeners.addresses(false)[0].port();
        assert_ne!(first, 0);
        // The same port on every address: the old listener has to go first.
        set(&config, "port", &first.to_string());
        set(&config, "bind", "0.0.0.0");
        listeners.reconfigure(&config).unwrap();
        assert_eq!(hosts(&listeners), ["0.0.0.0"]);
        set(&config, "bind", "127.0.0.1 127.0.0.2 -192.0.2.1");
        listeners.reconfigure(&config).unwrap();
        assert_eq!(hosts(&listeners), ["127.0.0.1", "127.0.0.2"]);
        // What is taken by somebody else leaves all as it was.
        let taken = StdListener::bind("127.0.0.1:0").unwrap();
        set(
            &config,
            "port",
            &taken.local_addr().unwrap().port().to_string(),
        );
        assert!(listeners.reconfigure(&config).is_err());
        assert_eq!(hosts(&listeners), ["127.0.0.1", "127.0.0.2"]);
        assert_eq!(listeners.addresses(false)[1].port(), first);
        set(&config, "port", "0");
        listeners.reconfigure(&config).unwrap();
        assert!(hosts(&listeners).is_empty());
        // All of it is free again.
        StdListener::bind(("127.0.0.1", first)).unwrap();
    }

    #[test]
    fn nothing_is_listened_on_without_a_port_or_an_address() {
        let config = Config::new(0);
        set(&config, "bind", "");
        assert!(
            Listeners::open(&config, false, closer())
                .unwrap()
                .addresses(false)
                .is_empty()
        );
        set(&config, "bind", "127.0.0.1");
        set(&config, "port", "0");
        assert!(
            Listeners::open(&config, false, closer())
                .unwrap()
                .addresses(false)
                .is_empty()
        );
    }
}
