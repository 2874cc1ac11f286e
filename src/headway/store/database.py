"""The database, the same for SQLite and PostgreSQL: a transaction is a function of `Transaction`.

SQL is text with `:named` parameters that both understand (docs/decisions/0004-sql-once-for-two-databases.md).
"""

import threading
from collections import deque
from collections.abc import Callable, Collection, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from headway.store.errors import DatabaseAddressWrong, NoDatabase, TryAgain
from headway.store.migrate import BeforeMigration, Connection, migrate

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

    _Asked = tuple[Callable[["Transaction"], Any], Future[Any]]

T = TypeVar("T")
Row = Mapping[str, Any]

#: Begins every write transaction that is asked for in this context; what it raises undoes the transaction.
GUARD: ContextVar["Callable[[Transaction], None] | None"] = ContextVar("headway.guard", default=None)

#: Tries of one transaction that met a deadlock or a lost connection.
_TRIES = 4
_READERS = 4


def open_database(
    url: str,
    *,
    before: BeforeMigration | None = None,
    only: Collection[str] | None = None,
    create: bool = True,
    newer: bool = False,
) -> "Database":
    """Open it, creating and migrating it as needed: after calling `before`, and only to those named in `only`.

    `url` is `sqlite:///absolute/path` or `postgresql://…`. Without `create` (for commands that only read or keep) one
    that is not there, or holds nothing of Headway, is refused and left so.
    `newer`: even one that a newer Headway has written, to move its tables aside and nothing else.
    Raises the errors of `headway.store.errors`: NoDatabase, DatabaseTooNew, DriverMissing and DatabaseAddressWrong (2),
    DatabaseUnavailable and DiskFull (3).
    """
    if url.startswith("sqlite:///"):
        from headway.store.sqlite import SqliteConnection, create_file, sqlite_path

        path = sqlite_path(url)
        if create:
            create_file(path)
        elif not path.exists():
            raise NoDatabase(f"there is no database {path}")
        return Database(
            lambda writes: SqliteConnection(path, writes=writes),
            before=before,
            only=only,
            create=create,
            newer=newer,
        )
    if url.startswith(("postgresql://", "postgres://")):
        from headway.store.postgresql import PostgresqlConnection

        return Database(
            lambda writes: PostgresqlConnection(url, writes=writes),
            before=before,
            only=only,
            create=create,
            newer=newer,
        )
    raise DatabaseAddressWrong(
        f"'{url.partition(':')[0]}:…' is no database Headway knows",
        hint="write sqlite:///absolute/path or postgresql://user@host/name",
    )


class Transaction:
    """What a statement may use, for the time of one transaction."""

    __slots__ = ("_connection", "dialect", "has_news")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.dialect: Literal["sqlite", "postgresql"] = connection.dialect
        #: Set by `store.events`: once this is committed, whoever waits for news is woken.
        self.has_news = False

    def execute(self, sql: str, **parameters: object) -> int:
        """Run it; the number of rows changed (or returned, with RETURNING)."""
        return self._connection.run(sql, _plain(parameters))[0]

    def one(self, sql: str, **parameters: object) -> Row | None:
        """The first row, as a dict by column name; None when there is none."""
        rows = self._connection.run(sql, _plain(parameters))[1]
        return rows[0] if rows else None

    def all(self, sql: str, **parameters: object) -> list[Row]:
        return self._connection.run(sql, _plain(parameters))[1]


class Database:
    """One database. Safe to use from several threads; writes of one process wait for each other.

    The function given to `transact` and `perform` may be run again after its first try was rolled back
    (a deadlock, a lost connection), so it should touch nothing but its transaction.
    """

    def __init__(
        self,
        connect: Callable[[bool], Connection],
        *,
        before: BeforeMigration | None = None,
        only: Collection[str] | None = None,
        create: bool = True,
        newer: bool = False,
    ) -> None:
        self._connect = connect
        self._writer: Connection | None = connect(True)
        try:
            if not create and not self._writer.has_table("migrations"):
                raise NoDatabase(f"the database {self._writer.place} holds nothing of Headway")
            migrate(self._writer, before=before, only=only, newer=newer)
        except BaseException:
            self._writer.close()
            raise
        self.dialect: Literal["sqlite", "postgresql"] = self._writer.dialect
        self._writing = threading.RLock()
        self._inside = False
        self._readers: list[Connection] = []
        self._write_thread: ThreadPoolExecutor | None = None
        #: What waits for the writer thread, with its answers to be.
        self._urgent: deque[_Asked] = deque()
        self._usual: deque[_Asked] = deque()
        self._read_threads: ThreadPoolExecutor | None = None
        self._closed = False
        #: Called after each commit that has news, in the thread that wrote it: a wake-up, nothing more.
        self.on_news: Callable[[], None] | None = None

    def transact(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in one write transaction: all of it is stored, or (when it raises) nothing."""
        with self._writing:
            if self._inside:
                raise RuntimeError("a transaction was begun inside another one; pass the open one on")
            self._inside = True
            try:
                return self._write(_guarded(work))
            finally:
                self._inside = False

    def read(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` on one unchanging picture of the database; it cannot write."""
        try:
            return self._read_once(work)
        except TryAgain:
            # The connections kept for readers were most likely lost together, with their server.
            self._close_readers()
        try:
            return self._read_once(work)
        except TryAgain as error:
            raise error.told from error

    async def perform(self, work: Callable[[Transaction], T], *, first: bool = False) -> T:
        """`transact` for asyncio, in the one writer thread. A cancelled caller does not undo a begun transaction.

        `first` is for whom somebody waits at the door: it goes before all that is not.
        """
        import asyncio
        from concurrent.futures import Future

        if self._write_thread is None:
            self._write_thread = _threads("headway-write", 1)
        answer: Future[T] = Future()
        (self._urgent if first else self._usual).append((_guarded(work), answer))
        self._write_thread.submit(self._perform_next)
        return await asyncio.wrap_future(answer)

    def _perform_next(self) -> None:
        """In the writer thread, once for each that was asked for."""
        work, answer = (self._urgent or self._usual).popleft()
        if not answer.set_running_or_notify_cancel():
            return
        try:
            found = self.transact(work)
        except BaseException as error:
            answer.set_exception(error)
        else:
            answer.set_result(found)

    async def fetch(self, work: Callable[[Transaction], T]) -> T:
        """`read` for asyncio, in a thread."""
        import asyncio

        if self._read_threads is None:
            self._read_threads = _threads("headway-read", _READERS)
        return await asyncio.get_running_loop().run_in_executor(self._read_threads, self.read, work)

    def close(self) -> None:
        """Wait for what runs, then let go. May be called twice."""
        self._closed = True
        for threads in (self._write_thread, self._read_threads):
            if threads is not None:
                threads.shutdown(wait=True)
        with self._writing:
            if self._writer is not None:
                self._writer.close()
                self._writer = None
        self._close_readers()

    def __enter__(self) -> "Database":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self, work: Callable[[Transaction], T]) -> T:
        for tries_left in reversed(range(_TRIES)):
            connection = self._open_writer()
            try:
                connection.begin()
                tx = Transaction(connection)
                try:
                    answer = work(tx)
                    connection.commit()
                except BaseException:
                    connection.rollback()
                    raise
                if tx.has_news and self.on_news is not None:
                    self.on_news()
                return answer
            except TryAgain as error:
                connection.close()
                self._writer = None
                if not tries_left:
                    raise error.told from error
        raise AssertionError("the last try returns or raises")

    def _open_writer(self) -> Connection:
        if self._closed:
            raise RuntimeError("the database was closed")
        if self._writer is None:
            self._writer = self._connect(True)
        return self._writer

    def _read_once(self, work: Callable[[Transaction], T]) -> T:
        """Each reading thread has a connection of its own, kept for the next one."""
        if self._closed:
            raise RuntimeError("the database was closed")
        try:
            connection = self._readers.pop()
        except IndexError:
            connection = self._connect(False)
        try:
            connection.begin()
            try:
                answer = work(Transaction(connection))
            finally:
                connection.rollback()
        except BaseException:
            connection.close()
            raise
        self._readers.append(connection)
        return answer

    def _close_readers(self) -> None:
        while self._readers:
            self._readers.pop().close()


def _threads(name: str, count: int) -> "ThreadPoolExecutor":
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(max_workers=count, thread_name_prefix=name)


def _plain(parameters: dict[str, object]) -> dict[str, object]:
    """Values as both databases take them: bool as 0/1, enums as their text, no NUL (PostgreSQL refuses it)."""
    for name, value in parameters.items():
        kind = type(value)
        if kind is str:
            if "\x00" in value:  # type: ignore[operator]
                parameters[name] = value.replace("\x00", "\ufffd")  # type: ignore[attr-defined]
        elif kind is bool:
            parameters[name] = int(value)  # type: ignore[call-overload]
        elif isinstance(value, str):
            parameters[name] = str(value)
        elif not (value is None or kind in (int, float, bytes)):
            raise TypeError(
                f"the parameter '{name}' is a {kind.__name__}; the store takes text, numbers and None"
            )
    return parameters


def _guarded(work: Callable[[Transaction], T]) -> Callable[[Transaction], T]:
    """With the guard of this very context: the thread that writes has another one."""
    guard = GUARD.get()
    if guard is None:
        return work

    def both(tx: Transaction) -> T:
        guard(tx)
        return work(tx)

    return both
