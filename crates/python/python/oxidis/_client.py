"""The native client: no redis-py needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterator

from oxidis import _native
from oxidis._closing import Closing
from oxidis._errors import TimeoutError, command_error
from oxidis._native_client import Argument, ClientOptions, Commands, Message, Queue, Subscribed, engine_of

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from oxidis._engine import Engine


class Client(_native.NativeClient, Commands, Closing):
    """A client written in Rust: into an engine of this process, or to a server.

    Bytes, text and numbers go in; bytes (or, with ``decode_responses``, text), numbers, lists, dictionaries, sets and
    ``None`` come out. An error is raised as :class:`oxidis.CommandError`.

    >>> client = Client()
    >>> client.execute('SET greeting "hello, you"')
    'OK'
    >>> client.get("greeting")
    b'hello, you'

    It may be used by many threads: one that finds it in use gets a session of its own. So what belongs to a session,
    such as SELECT and MULTI, wants a client that threads do not share, or :meth:`pipeline`.

    :param url: The server: ``redis://[[user:]password@][host[:port]][/database]``, ``rediss://`` for TLS, or
        ``unix://[[user:]password@]path``; ``?db=database`` may stand behind each, and nothing else. Without it, an engine of
        this process.
    :param engine: The engine; without it, and without a URL, one of the client's own.
    :param decode_responses: Whether strings are text instead of bytes.
    :param db: The database.
    :param username: The ACL user, and ``password`` the password.
    :param client_name: The name that CLIENT LIST shows.
    """

    def __new__(
        cls, url: str | None = None, *, engine: "Engine | None" = None, **options: "Unpack[ClientOptions]"
    ) -> Self:
        return super().__new__(cls, engine_of(engine, url), url, command_error, **options)

    def pipeline(self, transaction: bool = False) -> "Pipeline":
        """Commands that are executed together, as a transaction if so asked."""
        return Pipeline(self, transaction)

    def subscribe(self, *channels: Argument) -> "Subscription":
        """A subscription to channels."""
        return Subscription(self.session(), channels, ())

    def psubscribe(self, *patterns: Argument) -> "Subscription":
        """A subscription to patterns of channels."""
        return Subscription(self.session(), (), patterns)

    def connect(self) -> "Client":
        """Sees that there is a connection, or raises what is against it."""
        self.execute("PING")
        return self

    def disconnect(self) -> None:
        """As :meth:`close`."""
        self.close()


class Pipeline(Queue, Closing):
    """Commands that are executed together.

    >>> with Client().pipeline() as pipeline:
    ...     pipeline.set("n", 1)
    ...     pipeline.incr("n")
    ...     pipeline.run()
    ['OK', 2]
    """

    def __init__(self, client: Client, transaction: bool) -> None:
        super().__init__(transaction)
        self._client = client

    def run(self, raise_on_error: bool = True) -> list[Any]:
        """Executes what is queued, and answers the replies; the first error among them is raised."""
        return self._replies(self._client.execute_many(self._take()), raise_on_error)

    def close(self) -> None:
        """Forgets what is queued."""
        self._take()


class Subscription(Subscribed, Closing):
    """A subscription: an iterator of messages."""

    def __init__(
        self,
        session: _native.Session,
        channels: tuple[Argument, ...],
        patterns: tuple[Argument, ...],
    ) -> None:
        super().__init__(session, channels, patterns)
        self._session = session
        # Who has it is subscribed.
        for _ in range(self._confirmations):
            self._message(session.receive())

    def get(self, timeout: float | None = None) -> Message | None:
        """The next message, for which it waits so many seconds at the most; ``None`` is as long as it takes."""
        while True:
            try:
                message = self._message(self._session.receive(timeout))
            except TimeoutError:
                return None
            if message is not None:
                return message

    def __iter__(self) -> Iterator[Message]:
        return self

    def __next__(self) -> Message:
        message = self.get()
        if message is None:
            raise StopIteration
        return message

    def close(self) -> None:
        """Ends the subscription, also for who waits for a message in another thread."""
        self._session.close()
