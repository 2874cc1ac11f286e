"""Nobody but SQLite opens a database's files: whoever closes one of them takes the process's locks away."""

import ast
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import headway
from headway.store.copies import fold_log
from headway.store.counters import next_number
from headway.store.database import open_database
from headway.store.errors import DatabaseBusy
from tests.support.database_files import guarded

SOURCE = Path(headway.__file__).parent
#: Who speaks to SQLite at all.
SPEAKERS = {"store/sqlite.py", "store/copies.py", "store/upkeep.py"}
#: By these a module learns where the database lies.
KNOWS = {"sqlite_path", "_sqlite_file", "copy_before", "fold_log"}
#: And who walks the folder in which it usually lies.
WALKS = {"engine/keeping/backup.py"}
OPENERS = {
    "open", "fdopen", "read_bytes", "read_text", "write_bytes", "write_text", "touch", "truncate",
    "copy", "copy2", "copyfile", "copytree", "copyfileobj", "mmap", "chmod",
}  # fmt: skip
#: What those modules open: none of it is a database that somebody else may have open.
OPENED = {
    ("store/sqlite.py", "create_file"),  # an empty file under a name of its own
    ("store/copies.py", "copy_before"),  # the copy, before it has its name
    ("store/copies.py", "_sync"),  # the copy, and its folder
    ("engine/keeping/restore.py", "settle"),  # the folder
    ("engine/keeping/restore.py", "_hold"),  # the folder that is being restored, to lock it
    ("engine/keeping/restore.py", "_write"),  # a member of the archive, in a folder of its own
    ("engine/keeping/restore.py", "_repositories"),  # a repository's .head
    ("engine/keeping/restore.py", "_portions"),  # rows of the archive
    ("engine/keeping/backup.py", "dump"),  # rows, in a folder of its own
    ("engine/keeping/backup.py", "add_tables"),
    ("engine/keeping/backup.py", "_log"),
    ("engine/keeping/backup.py", "_repository"),
    ("engine/keeping/backup.py", "_file"),  # files that are named one by one: keys, org.toml, logs, artifacts
}


def _modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(SOURCE.rglob("*.py")):
        yield path.relative_to(SOURCE).as_posix(), ast.parse(path.read_text())


def _names(tree: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def _opens(tree: ast.Module) -> Iterator[str]:
    """The functions of a module in which something is opened."""
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for call in ast.walk(function):
            if isinstance(call, ast.Call):
                called = call.func
                name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
                if name in OPENERS:
                    yield function.name


def test_only_the_store_speaks_to_sqlite() -> None:
    speakers = set()
    for name, tree in _modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.Import) and any(alias.name == "sqlite3" for alias in node.names):
                speakers.add(name)
            if isinstance(node, ast.ImportFrom) and node.module == "sqlite3":
                speakers.add(name)
    assert speakers == SPEAKERS


@pytest.mark.slow
def test_whoever_knows_where_the_database_lies_opens_nothing_else_than_is_listed() -> None:
    found = set()
    for name, tree in _modules():
        if name in SPEAKERS | WALKS or _names(tree) & KNOWS:
            found |= {(name, function) for function in _opens(tree)}
    assert found == OPENED, "is it the database, its -wal or its -shm? Then only SQLite may open it"


def test_an_open_of_a_database_by_our_code_fails_each_test(tmp_path: Path) -> None:
    """The guard that `conftest` sets up for all tests."""
    for name in ("headway.db", "headway.db-wal", "other.db-shm"):
        assert guarded(tmp_path / name, [str(SOURCE / "engine/keeping/backup.py"), __file__])
        assert not guarded(tmp_path / name, [__file__]), "a test may break a file"
        assert not guarded(tmp_path / name, [str(Path(subprocess.__file__))])
    assert not guarded(tmp_path / "headway.dbx", [str(SOURCE / "engine/keeping/backup.py")])
    assert not guarded(3, [str(SOURCE / "engine/keeping/backup.py")])


OTHER = """
import sys
from headway.store.counters import next_number
from headway.store.database import open_database
url, writes = sys.argv[1], sys.argv[2] == "writes"
print("ready", flush=True)
done = 0
while not sys.stdin.closed:
    with open_database(url) as database:
        if writes:
            database.transact(lambda tx: next_number(tx, "other", "run"))
        database.read(lambda tx: tx.all("SELECT * FROM counters"))
    done += 1
    print(done, flush=True)
    if not sys.stdin.readline().strip():
        break
"""


class Other:
    """A process that opens the database, works, and closes it, once for each `go`."""

    def __init__(self, url: str, does: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", OTHER, url, does], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._line() == "ready"

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def done(self) -> None:
        assert self._line().isdigit(), "it died"

    def go(self, more: bool = True) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("on\n" if more else "\n")
        self._process.stdin.flush()

    def end(self) -> int:
        self.go(more=False)
        with self._process:
            return self._process.wait(30)


def test_a_process_that_opens_the_database_twice_keeps_its_locks_beside_others(tmp_path: Path) -> None:
    """As a deployment does for its secrets. What the second one closed took the first one's locks, and the last close of
    another process then took the log away: `disk I/O error`."""
    url = f"sqlite:///{tmp_path}/headway.db"
    with open_database(url) as database:
        others = [Other(url, "reads"), Other(url, "writes")]
        for number in range(1, 31):
            for other in others:
                other.done()
            assert database.transact(lambda tx: next_number(tx, "shop", "run")) == number
            with open_database(url) as again:
                again.read(lambda tx: tx.all("SELECT * FROM counters"))
            for other in others:
                other.go()
            assert database.read(lambda tx: tx.one("PRAGMA integrity_check")) == {"integrity_check": "ok"}
        for other in others:
            other.done()
        assert [other.end() for other in others] == [0, 0]
        assert database.transact(lambda tx: next_number(tx, "other", "run")) == 32


def test_a_database_that_somebody_has_open_is_not_moved(tmp_path: Path) -> None:
    path = tmp_path / "headway.db"
    with open_database(f"sqlite:///{path}") as database:
        database.transact(lambda tx: next_number(tx, "shop", "run"))
        with pytest.raises(DatabaseBusy, match="in use by another process"):
            fold_log(path)
        assert database.transact(lambda tx: next_number(tx, "shop", "run")) == 2


def test_the_log_of_a_killed_process_comes_into_the_file_before_it_is_moved(tmp_path: Path) -> None:
    path = tmp_path / "headway.db"
    url = f"sqlite:///{path}"
    killed = (
        "import os, sys\nfrom headway.store.counters import next_number\n"
        "from headway.store.database import open_database\n"
        "open_database(sys.argv[1]).transact(lambda tx: next_number(tx, 'shop', 'run'))\nos._exit(9)\n"
    )
    assert subprocess.run([sys.executable, "-c", killed, url], check=False).returncode == 9
    assert Path(f"{path}-wal").exists()
    fold_log(path)
    assert not Path(f"{path}-wal").exists()
    moved = path.rename(tmp_path / "moved.db")
    with closing(sqlite3.connect(moved)) as copy:
        assert copy.execute("SELECT COUNT(*) FROM counters").fetchone() == (1,)


def test_a_damaged_database_is_moved_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "headway.db"
    fold_log(path)
    assert not path.exists()
    path.write_bytes(b"no database at all" * 1000)
    fold_log(path)
    assert path.read_bytes().startswith(b"no database")
