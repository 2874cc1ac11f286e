"""`headway up`: puts one server process together, runs its duties, serves until it is told to stop.

A stop (SIGTERM, Ctrl-C) begins no new work, lets requests and ticks under way end, and leaves running jobs running:
the next start takes them up. Whatever is killed instead loses nothing that was answered.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import uvicorn

from headway.api.app import create_api
from headway.api.git_access import GitAccess
from headway.api.git_http import GitHttp
from headway.api.hooks import Hooks
from headway.base.errors import Errored, HeadwayError, WrongUse
from headway.drivers.git.hosting import HostingLimits
from headway.engine.data_folder import open_data_folder
from headway.engine.server.server import Server
from headway.engine.server_lock import ServerLock, ServerRuns, private_folder, socket_path
from headway.engine.server_settings import ServerSettings
from headway.engine.settings import Settings
from headway.main.build import build
from headway.main.faces import Faces
from headway.main.protocol import BoundedProtocol
from headway.main.supervisor import notify_ready, notify_stopping, watchdog
from headway.web.app import create_web

log = logging.getLogger("headway.server")

_THREADS = 32


class AddressTaken(WrongUse):
    """Somebody else listens there."""


@dataclass(frozen=True, slots=True)
class Listening:
    url: str
    #: A one-time link for the first administrator; None when somebody can sign in already.
    sign_in: str | None


class _Uvicorn(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are ours: duties stop first."""
        yield


def serve(settings: Settings, options: ServerSettings, told: Callable[[Listening], None]) -> int:
    """Until a signal; the exit code. `told` is called once the address answers."""
    # Not `asyncio.run`: that waits for every thread, and a fetch that is broken off here may take half an hour to notice.
    # What has to be kept is kept by now, and whoever called us ends the process.
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(_serve(settings, options, told))
    except BaseExceptionGroup as group:
        # Of tasks that ran side by side: what a person can mend is told as one sentence.
        named = first_of(group, HeadwayError, OSError)
        if named is None:
            raise
        raise named from group
    return 0


def first_of(group: BaseExceptionGroup[Any], *kinds: type[Exception]) -> Exception | None:
    """The first of these kinds in a group of groups."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            if (inner := first_of(error, *kinds)) is not None:
                return inner
        elif isinstance(error, kinds):
            return error
    return None


async def _serve(settings: Settings, options: ServerSettings, told: Callable[[Listening], None]) -> None:
    open_data_folder(settings.data)
    lock = ServerLock(settings.data)
    lock.take()
    try:
        with _listen(options.host, options.port) as public, _listen_here(settings) as local:
            url = options.url or _url(options.host, public.getsockname()[1])
            stop = asyncio.Event()
            _heed_signals(stop)
            # Calls to forges hold their thread for as long as those take; six of them would be all there are.
            asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_THREADS, "headway-work"))
            async with build(settings, options, url) as server:
                lock.tell(url)
                server.place.on_lost = stop.set
                await _run(server, options, [public, local], stop, told)
            if server.place.lost:
                raise ServerRuns(
                    server.place.lost, hint="see why it was silent: the machine, or the database"
                )
    finally:
        lock.release()


async def _run(
    server: Server,
    options: ServerSettings,
    sockets: list[socket.socket],
    stop: asyncio.Event,
    told: Callable[[Listening], None],
) -> None:
    web = _uvicorn(_faces(server, options), options)
    async with asyncio.TaskGroup() as tasks:
        pump = tasks.create_task(server.hub.run(), name="news")
        serving = tasks.create_task(web.serve(sockets), name="web")
        duties = [
            tasks.create_task(server.duties.keep_doing(duty), name=duty.name) for duty in server.duties.all
        ]
        guard = tasks.create_task(watchdog(server), name="watchdog")
        await _first(web.listening.wait(), serving)
        told(Listening(server.base_url, await _first_link(server)))
        notify_ready()
        await _first(stop.wait(), serving)
        log.info("stopping: no new work is begun; running jobs are left running")
        notify_stopping()
        await server.stop()
        web.should_exit = True
        _, late = await asyncio.wait([serving, *duties], timeout=options.stop_within.total_seconds())
        for task in (pump, guard, *late):
            task.cancel()


async def _first(coroutine: Coroutine[Any, Any, Any], task: "asyncio.Task[None]") -> None:
    waiting = asyncio.create_task(coroutine)
    await asyncio.wait({waiting, task}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()


async def _first_link(server: Server) -> str | None:
    value = await server.people.ensure_first_link(server.now())
    return None if value is None else f"{server.base_url}/sign-in/{value}"


def _faces(server: Server, options: ServerSettings) -> Faces:
    access = GitAccess(server)
    return Faces(
        hooks=Hooks(server),
        git=GitHttp(
            access.find,
            access.authenticate,
            access.pushed,
            environment=server.settings.environment,
            link=f"{server.base_url}/c/",
            limits=HostingLimits(push_bytes=options.largest_push),
        ),
        api=create_api(server),
        web=create_web(server) if options.runs("web") else None,
    )


def _uvicorn(app: Faces, options: ServerSettings) -> _Uvicorn:
    return _Uvicorn(
        uvicorn.Config(
            app,
            http=BoundedProtocol,
            loop="asyncio",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=True,
            proxy_headers=bool(options.trusted_proxies),
            forwarded_allow_ips=options.trusted_proxies or None,
            timeout_keep_alive=65,
            timeout_graceful_shutdown=int(options.stop_within.total_seconds()),
            backlog=1024,
        )
    )


def _heed_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    # A terminal that is closed is no reason to stop a server.
    with contextlib.suppress(ValueError):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)


@contextlib.contextmanager
def _listen(host: str, port: int) -> Iterator[socket.socket]:
    """Raises AddressTaken, Errored for a host that is not this machine's."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    with contextlib.closing(listening):
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, port))
            listening.listen(1024)
        except PermissionError as error:
            raise Errored(
                f"port {port} may not be used by this user",
                hint="use one above 1023, behind a proxy: --listen 127.0.0.1:8080",
            ) from error
        except OSError as error:
            raise AddressTaken(
                f"{host}:{port} cannot be listened at: {(error.strerror or str(error)).lower()}",
                hint="see who has it: ss -ltnp; or take another: --listen 127.0.0.1:8081",
            ) from error
        listening.setblocking(False)
        yield listening


@contextlib.contextmanager
def _listen_here(settings: Settings) -> Iterator[socket.socket]:
    """The socket for commands of this machine: its owner alone may open it, and is its administrator."""
    path = socket_path(settings.data)
    private_folder(path.parent)
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with contextlib.closing(listening):
        before = os.umask(0o177)
        try:
            listening.bind(str(path))
        finally:
            os.umask(before)
        listening.listen(128)
        listening.setblocking(False)
        try:
            yield listening
        finally:
            with contextlib.suppress(OSError):
                path.unlink()


def _url(host: str, port: int) -> str:
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{shown}:{port}"
