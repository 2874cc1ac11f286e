"""One host of an environment as a deployment reaches it: its session, its root, the last look at it."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from headway.base.errors import Errored
from headway.base.patience import Patience
from headway.base.secret import last_lines
from headway.deploy.hostside import look_script
from headway.deploy.record import HostRecord, read_record
from headway.domain.contract import HostSpec
from headway.drivers.runner.over_session import SessionRunner
from headway.drivers.ssh.connections import Connections
from headway.drivers.ssh.errors import CommandTimedOut, ConnectionLost, HostUnreachable, SshError
from headway.drivers.ssh.session import HostSession, Reply

T = TypeVar("T")
#: A connection that breaks again and again within one question is not there.
_TRIES = 4
#: Headway's own scripts take milliseconds; a host that needs longer hangs.
CALL_TIMEOUT = 60.0
#: Seconds after which it is said which hosts have not answered yet; how many more they get once others are enough.
_SAY_AFTER, _GRACE = 1.0, 4.0
#: Seconds between two looks at how long they have had.
_LOOK_EVERY = 0.5


#: Of an environment, where a host tells it.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


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

    async def persist(self, ask: Callable[[], Awaitable[T]], *, once_more: bool = False) -> T:
        """`ask`, again when the connection broke under it: all that is asked here may be asked twice. With `once_more`
        also, once, when it took too long: where the host's own record says what came of it, and not the answer.

        The driver connects with back-off for its time (20 s), then raises HostUnreachable.
        """
        for tries_left in reversed(range(_TRIES)):
            try:
                return await ask()
            except CommandTimedOut:
                if not once_more or not tries_left:
                    raise
                once_more = False
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
            said = last_lines(reply.text, 300) or f"exit {reply.exit_code}"
            raise HostRefused(f"{self.name} cannot be looked at: {said}")
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


def whose_root(record: HostRecord) -> tuple[str, str] | None:
    """The service and environment that the host says its root is of; None: it says nothing."""
    told = record.deployed or {}
    service, environment = told.get("service"), told.get("environment")
    return (service, environment) if isinstance(service, str) and isinstance(environment, str) else None


def refuse_anothers(links: Sequence[HostLink], service: str, environment: str) -> None:
    """What a host says of its root holds also where files call the host or the folder by another name. Raises HostRefused."""
    owners = [(link, whose) for link in links if (whose := whose_root(link.record))]
    others = [(link, whose) for link, whose in owners if whose != (service, environment)]
    if not others:
        return
    told = "; ".join(f"{link.root} on {link.name} is the root of {'/'.join(whose)}" for link, whose in others)
    hint = f"give {environment} a `root` of its own"
    before = {whose for _, whose in others}
    if len(before) == 1 and (old := before.pop())[0] == service and _NAME.fullmatch(old[1]):
        hint += f"; if {old[1]} was renamed: headway deployment rename {old[1]} {environment}"
    raise HostRefused(f"{told}, not of {service}/{environment}", hint=hint)


async def look_at_all(
    links: Sequence[HostLink],
    tell: Callable[[str], None] = lambda _: None,
    *,
    enough: Callable[[int], bool] | None = None,
) -> dict[str, SshError]:
    """Looks at every host at once. The answer: those that cannot be reached, each with why.

    What is still tried after a moment is told. `enough` says of how many have answered whether one can do without the
    rest: they get a few seconds more, and no longer.
    """
    if not links:
        return {}
    asked = {link.name: asyncio.create_task(_look(link), name=f"look at {link.name}") for link in links}
    try:
        await asyncio.wait(asked.values(), timeout=_SAY_AFTER)
        if late := [link for link in links if not asked[link.name].done()]:
            tell(_tries(late))
        await _until_enough(asked, enough)
        for link in links:
            if not asked[link.name].done():
                asked[link.name].cancel()
        await asyncio.wait(asked.values())
        found: dict[str, SshError] = {}
        for link in links:
            task = asked[link.name]
            error = _silent(link) if task.cancelled() else task.result()
            if error is not None:
                found[link.name] = error
        return found
    finally:
        for task in asked.values():
            task.cancel()
        await asyncio.gather(*asked.values(), return_exceptions=True)


def require_all(unreachable: Mapping[str, SshError], asked: int) -> None:
    """Raises SshError with all of them, and the way to go on without where some of the `asked` are left."""
    if unreachable:
        first = next(iter(unreachable.values()))
        without = " ".join(f"--without {name}" for name in unreachable)
        raise SshError(
            first.host,
            "; ".join(error.message for error in unreachable.values()),
            hint=f"{first.hint or 'mend it'}; or go on without {'it' if len(unreachable) == 1 else 'them'}: {without}"
            if len(unreachable) < asked
            else first.hint,
        )


async def _look(link: HostLink) -> SshError | None:
    try:
        await link.look()
    except SshError as error:
        return error
    return None


async def _until_enough(
    asked: Mapping[str, "asyncio.Task[SshError | None]"], enough: Callable[[int], bool] | None
) -> None:
    """Until all have answered or were given up; or enough have, and the others had their time."""
    patience: Patience | None = None
    while waiting := [task for task in asked.values() if not task.done()]:
        ended = [task for task in asked.values() if task.done()]
        if any(task.exception() for task in ended):
            return
        if patience is None and enough is not None and enough(sum(task.result() is None for task in ended)):
            patience = Patience(asyncio.get_running_loop().time, _GRACE, tick=2 * _LOOK_EVERY)
        if patience is not None and patience.left() <= 0:
            return
        pause = None if patience is None else _LOOK_EVERY
        await asyncio.wait(waiting, timeout=pause, return_when=asyncio.FIRST_COMPLETED)


def _tries(late: Sequence[HostLink]) -> str:
    within = late[0].connections.settings.connect_within
    told = []
    for link in late:
        trying = link.connections.trying(link.name)
        told.append(f"{link.name} ({trying.place}: {trying.cause})" if trying else link.name)
    return f"trying to reach {', '.join(told)}, for {within:g}s at most"


def _silent(link: HostLink) -> SshError:
    trying = link.connections.trying(link.name)
    if trying is not None:
        return HostUnreachable(link.name, trying.place, trying.cause, trying.attempts)
    return SshError(
        link.name, f"{link.name} ({link.spec.address}) has not answered for {_SAY_AFTER + _GRACE:g}s"
    )
