"""One host of an environment as a deployment reaches it: its session, its root, the last look at it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from headway.base.errors import Errored
from headway.deploy.hostside import look_script
from headway.deploy.record import HostRecord, read_record
from headway.domain.contract import HostSpec
from headway.drivers.runner.over_session import SessionRunner
from headway.drivers.ssh.connections import Connections
from headway.drivers.ssh.errors import ConnectionLost, SshError
from headway.drivers.ssh.session import HostSession, Reply

T = TypeVar("T")
#: A connection that breaks again and again within one question is not there.
_TRIES = 4
#: Headway's own scripts take milliseconds; a host that needs longer hangs.
CALL_TIMEOUT = 60.0


class HostRefused(Errored):
    """The host answers and does not do what it was asked: a folder that cannot be made, a tool that is missing."""


@dataclass
class HostLink:
    name: str
    spec: HostSpec
    #: As configured: absolute, or relative to the home of the user that SSH signs in as.
    configured_root: str
    connections: Connections
    record: HostRecord = field(default_factory=lambda: HostRecord(""))
    _runner: SessionRunner | None = None
    _aside: HostSession | None = None

    @property
    def root(self) -> str:
        """Absolute on the host; known after the first look."""
        return self.record.root or self.configured_root

    async def session(self) -> HostSession:
        return await self.connections.session(self.spec)

    async def runner(self) -> SessionRunner:
        # One for all questions: it remembers since when a job that never began was waited for.
        session = await self.session()
        if self._runner is None or self._runner.session is not session:
            self._runner = SessionRunner(session)
        return self._runner

    async def persist(self, ask: Callable[[], Awaitable[T]]) -> T:
        """`ask`, again when the connection broke under it: all that is asked here may be asked twice.

        The driver connects with back-off for its time (20 s), then raises HostUnreachable.
        """
        for tries_left in reversed(range(_TRIES)):
            try:
                return await ask()
            except ConnectionLost:
                if not tries_left:
                    raise
        raise AssertionError("the last try returns or raises")

    async def call(self, script: str, *, timeout: float = CALL_TIMEOUT) -> Reply:
        async def ask() -> Reply:
            return await (await self.session()).call(script, timeout=timeout)

        return await self.persist(ask)

    async def call_aside(self, script: str, *, timeout: float = CALL_TIMEOUT) -> Reply:
        """Beside whatever the host's session does, by a shell of its own; `end_aside` lets go of that."""
        if self._aside is None:
            self._aside = HostSession(self.connections, self.spec)
        aside = self._aside
        return await self.persist(lambda: aside.call(script, timeout=timeout))

    def end_aside(self) -> None:
        if self._aside is not None:
            self._aside.forget()
            self._aside = None

    async def look(self) -> HostRecord:
        """What stands on the host now. Raises what the SSH driver raises, and HostRefused."""
        self.keep(await self.call(look_script(self.configured_root)))
        return self.record

    def keep(self, reply: Reply) -> None:
        """Takes over what a script looked at."""
        record = read_record(reply.output)
        if not record.root:
            said = reply.output.decode("utf-8", "replace").strip() or f"exit {reply.exit_code}"
            raise HostRefused(f"{self.name} cannot be looked at: {said[-300:]}")
        self.record = record


MOVE_AWAY = (
    "somebody made it by hand: move it away there (and point what runs from it elsewhere), then deploy"
)


def in_the_way(root: str, name: str) -> str:
    """What stands where a link of Headway's has to, in words."""
    return f"{root}/{name} is not a link, and Headway would not replace what it did not make"


def refuse_in_the_way(links: Sequence[HostLink]) -> None:
    """A switch renames links into place; a folder made by hand there would stop it after the drain. Raises HostRefused."""
    found = [
        f"{link.name}: {in_the_way(link.root, name)}" for link in links for name in link.record.in_the_way
    ]
    if found:
        raise HostRefused("; ".join(found), hint=MOVE_AWAY)


async def look_at_all(links: Sequence[HostLink]) -> dict[str, SshError]:
    """Looks at every host at once. The answer: those that cannot be reached, each with why."""
    import asyncio

    async def look(link: HostLink) -> SshError | None:
        try:
            await link.look()
        except SshError as error:
            return error
        return None

    errors = await asyncio.gather(*(look(link) for link in links))
    return {link.name: error for link, error in zip(links, errors, strict=True) if error is not None}
