"""A connection to PostgreSQL. psycopg is imported here and nowhere else, and only when it is needed."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from headway.base.errors import HeadwayError
from headway.store.errors import (
    DatabaseAddressWrong,
    DatabaseUnavailable,
    DiskFull,
    DriverMissing,
    Duplicate,
    TryAgain,
)

if TYPE_CHECKING:
    import psycopg

Row = Mapping[str, Any]

_READING = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_NAMED = re.compile(r"(?<![:\w]):([a-z_]\w*)")
#: SQLSTATEs: https://www.postgresql.org/docs/current/errcodes-appendix.html
_DISK_FULL = "53100"
_TRY_AGAIN = {"40001", "40P01"}  # serialization failure, deadlock
_REFUSED = {"42501", "25006"}  # insufficient privilege, read-only server
#: How long a transaction that writes may do nothing before the server takes it back; ours never wait for anything.
IDLE_MILLISECONDS = 30_000
#: What holds where the address says nothing else. A server that is gone without a word (no power, no route) is noticed
#: within half a minute; as the system has it, whoever asked would wait for a quarter of an hour.
_USUAL: Mapping[str, int] = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": 30_000,
}
#: Any number, the same in every Headway: who holds it migrates.
_MIGRATION_LOCK = 4_793_129_283


@lru_cache(maxsize=1024)
def pyformat(sql: str) -> str:
    """`:name` as psycopg writes it, `%(name)s`; a literal % is doubled."""
    return _NAMED.sub(r"%(\1)s", sql.replace("%", "%%"))


class PostgresqlConnection:
    """One connection; may be used by one thread at a time, any thread."""

    dialect: Literal["sqlite", "postgresql"] = "postgresql"

    def __init__(self, url: str, *, writes: bool) -> None:
        self._begin = "BEGIN" if writes else _READING
        self.place, password, usual = _read_address(url)
        import psycopg

        self._error = psycopg.Error
        try:
            self._psycopg: psycopg.Connection[tuple[Any, ...]] = psycopg.connect(
                url, autocommit=True, application_name="headway", **usual
            )
            if writes:
                # Of a process that was frozen between two statements others would wait for the rows it holds.
                self._psycopg.execute(f"SET idle_in_transaction_session_timeout = {IDLE_MILLISECONDS}")
        except psycopg.Error as error:
            reason = " ".join(str(error).split())
            if password:
                reason = reason.replace(password, "***")
            raise DatabaseUnavailable(
                f"the database {self.place} cannot be reached: {reason}",
                hint="see that the server runs and that HEADWAY_DATABASE_URL names it",
            ) from None
        _read_numbers_plainly(self._psycopg)

    def begin(self) -> None:
        self._execute(self._begin, None)

    def begin_reading(self) -> None:
        """One unchanging picture, also for a connection that writes."""
        self._execute(_READING, None)

    def run(self, sql: str, parameters: Mapping[str, Any]) -> tuple[int, list[Row]]:
        """The number of rows changed, and the rows that came back."""
        cursor = self._execute(pyformat(sql), parameters)
        if cursor.description is None:
            return max(cursor.rowcount, 0), []
        names = [column.name for column in cursor.description]
        rows: list[Row] = [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]
        return len(rows), rows

    def commit(self) -> None:
        try:
            self._execute("COMMIT", None)
        except TryAgain as error:
            if not self._psycopg.closed:
                raise
            raise DatabaseUnavailable(
                f"the connection to {self.place} was lost while storing; whether it was stored is not known",
                hint="run the command again: it looks first at what is stored",
            ) from error

    def rollback(self) -> None:
        if not self._psycopg.closed:
            try:
                self._psycopg.execute("ROLLBACK")
            except self._error:
                # The server has taken it back if it cannot hear us.
                self._psycopg.close()

    def has_table(self, name: str) -> bool:
        return (
            self.run("SELECT to_regclass(:name) IS NOT NULL AS there", {"name": name})[1][0]["there"] is True
        )

    def lock_schema(self) -> None:
        """Hold off every other process that migrates, until this transaction ends."""
        self._execute("SELECT pg_advisory_xact_lock(%s)", (_MIGRATION_LOCK,))

    def close(self) -> None:
        self._psycopg.close()

    def _execute(self, sql: str, parameters: Any) -> "psycopg.Cursor[tuple[Any, ...]]":
        try:
            return self._psycopg.execute(sql, parameters)
        except self._error as error:
            raise self._told(error) from error

    def _told(self, error: "psycopg.Error") -> HeadwayError | TryAgain | Exception:
        import psycopg

        if isinstance(error, psycopg.errors.UniqueViolation):
            return Duplicate(str(error).splitlines()[0])
        if error.sqlstate == _DISK_FULL:
            return DiskFull(
                f"the database {self.place} has no room left; nothing of this step was stored",
                hint="free space on the database server, then run the command again",
            )
        first_line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        told = DatabaseUnavailable(
            f"the database {self.place} did not answer: {first_line}",
            hint="run the command again: it goes on from what is stored",
        )
        if error.sqlstate in _TRY_AGAIN or self._psycopg.closed:
            return TryAgain(told)
        if error.sqlstate in _REFUSED:
            return DatabaseUnavailable(
                f"the database {self.place} refuses: {first_line}",
                hint="Headway needs to create and write its own tables there",
            )
        return told if isinstance(error, psycopg.OperationalError) else error


def _read_address(url: str) -> tuple[str, str, dict[str, Any]]:
    """Where it is, for people (never with the password); the password; our limits, but for those that it sets itself."""
    try:
        from psycopg.conninfo import conninfo_to_dict
    except ImportError as error:
        raise DriverMissing(
            "HEADWAY_DATABASE_URL names a PostgreSQL database, but its driver is not installed here",
            hint="pip install 'headway[postgresql]'",
        ) from error
    from psycopg import ProgrammingError

    try:
        parts = conninfo_to_dict(url)
    except ProgrammingError:
        # The parser's message repeats the address, and with it the password.
        raise DatabaseAddressWrong(
            "HEADWAY_DATABASE_URL cannot be read as a PostgreSQL address",
            hint="write postgresql://user:password@host:5432/name, special characters percent-encoded",
        ) from None
    host = str(parts.get("host") or "(local socket)")
    port = f":{parts['port']}" if parts.get("port") else ""
    name = str(parts.get("dbname") or "")
    return (
        f"postgresql://{host}{port}/{name}",
        str(parts.get("password") or ""),
        {name: value for name, value in _USUAL.items() if not parts.get(name)},
    )


def _read_numbers_plainly(connection: "psycopg.Connection[Any]") -> None:
    """SUM over BIGINT is `numeric` on PostgreSQL and would arrive as Decimal; SQLite gives int or float."""
    from psycopg.adapt import Loader

    class Number(Loader):
        def load(self, data: Any) -> int | float:
            text = bytes(data).decode()
            return int(text) if text.lstrip("-").isdigit() else float(text)

    connection.adapters.register_loader("numeric", Number)
