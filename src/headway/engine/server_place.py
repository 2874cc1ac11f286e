"""One server a database, whatever its data folder is: a claim that it renews for as long as it lives.

Two would tell of each other's repositories as lost and send each message twice. The second one is refused with the
first one's name. One whose process is dead has lost its place at once; one on another machine (or in another container)
when it has not been heard of for `LEASE`, which who comes next waits for.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from headway.base.clock import Clock
from headway.engine import ownership
from headway.engine.server_lock import ServerRuns
from headway.store import owners
from headway.store.database import Database, Transaction
from headway.store.migrate import BeforeMigration, Connection

log = logging.getLogger("headway.server")

KIND = ID = "server"
LEASE = timedelta(seconds=30)
#: Seconds between two renewals.
BEAT = 10.0
#: Seconds between two looks at one that may be gone.
_LOOK = 1.0


class ServerPlace:
    def __init__(
        self,
        database: Database,
        clock: Clock,
        owner: owners.Owner,
        url: str,
        *,
        is_alive: owners.Liveness = ownership.is_alive,
    ) -> None:
        self._database = database
        self._clock = clock
        self._owner = owner
        self._url = url
        self._is_alive = is_alive
        self._token: int | None = None
        #: Why this server has to end: another one has its place now. Empty as long as it is ours.
        self.lost = ""
        #: Called when it was lost.
        self.on_lost: Callable[[], None] = lambda: None

    async def take(self) -> None:
        """Raises ServerRuns when another server lives; waits for one that may be gone until that is known."""
        seen: owners.Claim | None = None
        while True:
            self._token, found = await self._database.perform(self._try)
            if self._token is not None:
                return
            if found is not None:
                if self._is_alive(found.owner) or (seen is not None and _is_news(found, seen)):
                    raise refusal(found)
                if seen is None:
                    log.warning(
                        "%s had this database and has not given it back: waiting up to %d s to see whether it is gone",
                        name(found),
                        LEASE.total_seconds(),
                    )
                    seen = found
            await self._clock.sleep(_LOOK)

    def _try(self, tx: Transaction) -> tuple[int | None, owners.Claim | None]:
        """The token when it is ours now; else who has it, if that is known."""
        token = owners.claim(
            tx,
            KIND,
            ID,
            self._owner,
            self._clock.now(),
            LEASE,
            reason=self._url,
            is_alive=self._is_alive,
        )
        return token, None if token is not None else owners.holder(tx, KIND, ID)

    async def beat(self, now: datetime) -> None:
        """The duty that renews it. A database that is away raises, and keeps the place meanwhile as all else."""
        if self.lost or self._token is None:
            return
        token = self._token

        def renew(tx: Transaction) -> tuple[int | None, owners.Claim | None]:
            return (token, None) if owners.renew(tx, KIND, ID, token, now, LEASE) else self._try(tx)

        self._token, other = await self._database.perform(renew, first=True)
        if other is not None:
            self.lost = (
                f"{name(other)} has taken this database over, as this server was not heard of for too long"
            )
            log.error("%s: it stops", self.lost)
            self.on_lost()

    async def leave(self) -> None:
        """Who comes next need not wait."""
        token, self._token = self._token, None
        if token is not None and not self.lost:
            await self._database.perform(lambda tx: owners.release(tx, KIND, ID, token))


def other_server(tx: Transaction, now: datetime) -> owners.Claim | None:
    """The server that has this database and may live, whoever asks."""
    found = owners.holder(tx, KIND, ID)
    if found is None or not owners.is_held(tx, KIND, ID, now, ownership.is_alive):
        return None
    return found


def alone_first(then: BeforeMigration, clock: Clock) -> BeforeMigration:
    """Before a server of a new version changes the tables: not under one of an old version that uses them."""

    def before(connection: Connection, pending: tuple[str, ...]) -> None:
        if connection.has_table("claims"):
            connection.begin_reading()
            try:
                found = other_server(Transaction(connection), clock.now())
            finally:
                connection.rollback()
            if found is not None and ownership.is_alive(found.owner) is not False:
                raise refusal(found)
        then(connection, pending)

    return before


def refusal(found: owners.Claim) -> ServerRuns:
    return ServerRuns(
        f"a server has this database already: {name(found)}",
        hint="stop it first, or give this one a database of its own: --database URL",
    )


def name(found: owners.Claim) -> str:
    """`process 4711 of headway@app-1 at https://headway.example.org`."""
    owner = found.owner
    who = owner.user or owner.machine.partition(":")[0]
    return f"process {owner.pid} of {who}" + (f" at {found.reason}" if found.reason else "")


def _is_news(found: owners.Claim, seen: owners.Claim) -> bool:
    """Whether somebody has written it since."""
    return (found.token, found.lease_until) != (seen.token, seen.lease_until)
