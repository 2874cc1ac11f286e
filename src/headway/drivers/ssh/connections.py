"""Connections to hosts: started within bounds, tried again with back-off, one a host, used by everybody."""

import asyncio
import contextlib
import os
import random
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from headway.base.patience import Patience
from headway.domain.contract import HostSpec
from headway.drivers.ssh.errors import AuthenticationRefused, HostUnreachable, SshConfigFault, SshError
from headway.drivers.ssh.known_hosts import stamps
from headway.drivers.ssh.packing import PackedFiles
from headway.drivers.ssh.resolving import Resolver, Target, Way, host_key, refusal
from headway.drivers.ssh.session import HostSession
from headway.drivers.ssh.settings import SshSettings
from headway.drivers.ssh.trimmed import asyncssh

_FIRST_PAUSE = 0.15
_LONGEST_PAUSE = 3.0
#: A start that takes longer waits for an answer and costs nothing here: others may begin.
_START_TAKES = 1.0
_Key = tuple[object, ...]


class _Client(asyncssh.SSHClient):
    """Keeps the key that the host showed, so that a refusal can name it."""

    def __init__(self) -> None:
        self.presented: asyncssh.SSHKey | None = None

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        self.presented = key
        return False

    def validate_host_ca_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        self.presented = key
        return False


@dataclass(frozen=True, slots=True)
class Trying:
    """A host that is tried again and again, and has not answered yet."""

    place: str
    #: Why the last attempt failed.
    cause: str
    attempts: int


class Connections:
    """All connections of one command. An async context manager; leaving it closes them all.

    Needs the running event loop; not shared between loops or threads.
    """

    def __init__(self, settings: SshSettings) -> None:
        self.settings = settings
        self._resolver = Resolver(settings)
        self._open: dict[_Key, asyncssh.SSHClientConnection] = {}
        #: To what each of them leads, and the stamps of known_hosts by which its host's key was last found there.
        self._known: dict[_Key, tuple[Target, tuple[object, ...]]] = {}
        self._dropped: list[asyncssh.SSHClientConnection] = []
        #: What is being connected: one task a host, whoever waits for it.
        self._making: dict[_Key, asyncio.Task[asyncssh.SSHClientConnection]] = {}
        self._trying: dict[str, Trying] = {}
        self._sessions: dict[_Key, HostSession] = {}
        self._starts = asyncio.Semaphore(settings.starts)
        self._starts_to: dict[str, asyncio.Semaphore] = {}
        self._cleanups: set[asyncio.Task[Any]] = set()
        self.packed = PackedFiles()

    async def __aenter__(self) -> "Connections":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def of(self, host: HostSpec) -> HostSession:
        """The host's session as it is; what it needs is opened when it is first used."""
        session = self._sessions.get(host_key(host))
        if session is None:
            session = self._sessions[host_key(host)] = HostSession(self, host)
        return session

    async def session(self, host: HostSpec) -> HostSession:
        """The host's one open shell; opened here if it is not yet, so that what is wrong with the host is said here."""
        session = self.of(host)
        await session.open()
        return session

    async def connection(self, host: HostSpec) -> asyncssh.SSHClientConnection:
        """The host's connection, made if it is not there or was lost.

        Raises HostUnreachable, UnknownHostKey, ChangedHostKey, AuthenticationRefused or SshConfigFault.
        """
        key = host_key(host)

        async def make() -> asyncssh.SSHClientConnection:
            return await self._connect(await self._resolver.way(host))

        return await self._once(key, make)

    def stands(self, host: HostSpec) -> bool:
        """Whether it has a connection, and its key is still trusted. One whose key no longer is, is cut off here."""
        return self._standing(host_key(host)) is not None

    def trying(self, host: str) -> Trying | None:
        """How it stands with a host that does not answer; None when nobody tries, or the first attempt still goes on."""
        return self._trying.get(host)

    def drop(self, connection: asyncssh.SSHClientConnection) -> None:
        """Cuts a connection off; whoever asks next gets another."""
        connection.abort()
        self._dropped.append(connection)
        self._open = {key: one for key, one in self._open.items() if one is not connection}

    def later(self, work: Coroutine[Any, Any, object]) -> "asyncio.Task[object]":
        """Work that goes on when its asker was cancelled; `close` waits for it."""
        task: asyncio.Task[object] = asyncio.ensure_future(work)
        self._cleanups.add(task)
        task.add_done_callback(self._cleanups.discard)
        return task

    async def close(self) -> None:
        """Ends the sessions and connections, after unfinished clean-up; at most a few seconds."""
        if self._cleanups:
            await asyncio.wait(set(self._cleanups), timeout=8)
        making = list(self._making.values())
        for task in making:
            task.cancel()
        await asyncio.gather(*making, return_exceptions=True)
        for session in self._sessions.values():
            session.forget()
        connections, self._open = list(self._open.values()), {}
        # Those that lead to others come last: the ends close through them.
        for connection in reversed(connections):
            connection.close()
        for connection in [*reversed(connections), *self._dropped]:
            try:
                async with asyncio.timeout(2):
                    await connection.wait_closed()
            except (TimeoutError, OSError, asyncssh.Error):
                connection.abort()
        await self.packed.close()

    async def _connect(self, way: Way) -> asyncssh.SSHClientConnection:
        # Those before it are others, since no way leads back to itself.
        tunnel = None if way.behind is None else await self._jump(way.behind)
        made = await self._try_again(way.target, tunnel)
        self._known[way.key] = way.target, way.target.known_stamps
        self._open[way.key] = made
        return made

    async def _jump(self, way: Way) -> asyncssh.SSHClientConnection:
        """Each jump is a host like any other: its key is checked, its connection shared."""
        return await self._once(way.key, lambda: self._connect(way))

    async def _once(
        self, key: _Key, make: Callable[[], Coroutine[Any, Any, asyncssh.SSHClientConnection]]
    ) -> asyncssh.SSHClientConnection:
        """The one that stands, or that is being made; only then a new one. All who wait for a host that is away hear of
        it at the same time, and one that gives up waiting takes it from nobody."""
        if (found := self._standing(key)) is not None:
            return found
        making = self._making.get(key)
        if making is None:
            making = self._making[key] = asyncio.create_task(make())
            making.add_done_callback(lambda task: self._made(key, task))
        return await asyncio.shield(making)

    def _made(self, key: _Key, task: "asyncio.Task[asyncssh.SSHClientConnection]") -> None:
        self._making.pop(key, None)
        if not task.cancelled():
            # Told to all who wait; there may be none any more.
            task.exception()

    def _standing(self, key: _Key) -> asyncssh.SSHClientConnection | None:
        found = self._open.get(key)
        if found is None or found.is_closed():
            return None
        target, seen = self._known[key]
        if (now := stamps(target.known_hosts)) != seen:
            shown = found.get_server_host_key()
            if shown is None or not target.trusts(shown.public_data):
                # Taken out of known_hosts: whoever comes now is not led there, nor anybody who is there already.
                self.drop(found)
                return None
            self._known[key] = target, now
        return found

    async def _try_again(
        self, target: Target, tunnel: asyncssh.SSHClientConnection | None
    ) -> asyncssh.SSHClientConnection:
        try:
            return await self._until_it_answers(target, tunnel)
        finally:
            self._trying.pop(target.name, None)

    async def _until_it_answers(
        self, target: Target, tunnel: asyncssh.SSHClientConnection | None
    ) -> asyncssh.SSHClientConnection:
        loop = asyncio.get_running_loop()
        tick = self.settings.attempt_timeout + _LONGEST_PAUSE
        patience = Patience(loop.time, self.settings.connect_within, tick=tick)
        attempts, pause = 0, _FIRST_PAUSE
        while True:
            attempts += 1
            try:
                async with self._start(target, tunnel):
                    return await self._attempt(target, tunnel)
            except (OSError, asyncssh.Error, TimeoutError) as error:
                cause, final = _cause(error, self.settings)
                self._trying[target.name] = Trying(target.place, cause, attempts)
                left = patience.left()
                if final or left <= 0:
                    raise HostUnreachable(
                        target.name,
                        target.place,
                        cause,
                        attempts,
                        hint=_advice(target, tunnel is not None),
                    ) from error
            # Spread by chance: fifty hosts behind one sshd must not all come back at the same moment.
            await asyncio.sleep(min(left, random.uniform(pause / 2, pause)))  # noqa: S311
            pause = min(pause * 2, _LONGEST_PAUSE)

    @contextlib.asynccontextmanager
    async def _start(
        self, target: Target, tunnel: asyncssh.SSHClientConnection | None
    ) -> AsyncIterator[None]:
        # One sshd counts its own: what listens on another port is another one.
        place = f"{id(tunnel)} {target.address} {target.port}"
        per_server = self._starts_to.setdefault(place, asyncio.Semaphore(self.settings.starts_per_server))
        async with per_server:
            await self._starts.acquire()
            held = True

            def let_go() -> None:
                nonlocal held
                if held:
                    held = False
                    self._starts.release()

            # Hosts that do not answer hold up none that do.
            timer = asyncio.get_running_loop().call_later(_START_TAKES, let_go)
            try:
                yield
            finally:
                timer.cancel()
                let_go()

    async def _attempt(
        self, target: Target, tunnel: asyncssh.SSHClientConnection | None
    ) -> asyncssh.SSHClientConnection:
        client = _Client()
        try:
            return await asyncssh.connect(
                target.address,
                target.port,
                tunnel=tunnel,
                config=None,
                options=target.options,
                client_factory=lambda: client,
            )
        except asyncssh.HostKeyNotVerifiable as error:
            if client.presented is not None:
                raise refusal(target, client.presented) from error
            raise HostUnreachable(target.name, target.place, str(error.reason), 1) from error
        except asyncssh.PermissionDenied as error:
            raise _refused(target, error) from error
        except asyncssh.KeyExchangeFailed as error:
            raise SshError(
                target.name, f"{target.name} ({target.place}) and Headway share no algorithm: {error.reason}"
            ) from error
        except ValueError as error:
            raise SshConfigFault(f"{target.name} cannot be connected to: {error}") from error


def _key(host: HostSpec) -> _Key:
    return host.address, host.port, host.user


def _cause(error: Exception, settings: SshSettings) -> tuple[str, bool]:
    """One line for a person, and whether trying again is in vain."""
    final = False
    match error:
        case socket.gaierror():
            cause = f"no address is known for this name ({error.strerror})"
            final = error.errno != socket.EAI_AGAIN
        case TimeoutError():
            cause = f"no answer within {settings.attempt_timeout:g}s"
        case asyncssh.ChannelOpenError():
            cause = f"the jump host cannot reach it: {error.reason}"
        case asyncssh.ConnectionLost():
            cause = "the connection was closed before signing in"
        case asyncssh.ProtocolNotSupported() | asyncssh.ProtocolError():
            # A newer sshd says "Not allowed at this time" in place of its version when it is over its limits.
            cause = f"what answers does not speak SSH ({error.reason})"
        case asyncssh.Error():
            cause = error.reason
        case OSError():
            # asyncio's own text ("Connect call failed") hides which one it was.
            cause = os.strerror(error.errno).lower() if error.errno else str(error)
        case _:
            cause = str(error)
    return cause, final


def _advice(target: Target, jumped: bool) -> str:
    through = f" through {', '.join(jump.name for jump in target.jumps)}" if jumped else ""
    return f"look whether sshd runs there and the way is open{through}: ssh -p {target.port} {target.user}@{target.address}"


def _refused(target: Target, error: asyncssh.PermissionDenied) -> AuthenticationRefused:
    agent = "the agent's keys" if target.options.agent_path else "no agent"
    files = len(target.options.client_keys or ())
    held = f"{files} key{'' if files == 1 else 's'} from files, {agent}"
    return AuthenticationRefused(
        target.name,
        f"{target.name} ({target.address}:{target.port}) lets {target.user} in with none of our keys ({held}): {error.reason}",
        hint="put a public key of yours into that account's .ssh/authorized_keys, load its key with ssh-add if it has a"
        " passphrase, or name IdentityFile in the ssh config",
    )
