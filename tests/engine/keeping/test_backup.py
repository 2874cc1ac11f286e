"""Backups, and the way back: of everything, into either database, while others write."""

import fcntl
import gzip
import io
import json
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from headway.base.errors import Errored, WrongUse
from headway.drivers.artifacts import ArtifactStore
from headway.drivers.git.bare import create_bare
from headway.drivers.logfile import LogFile, compress
from headway.engine.keeping import backup as backup_module
from headway.engine.keeping.archive import ArchiveInvalid, reading, writing
from headway.engine.keeping.backup import Backup, make_backup
from headway.engine.keeping.restore import NotEmpty, Restored, restore_backup
from headway.engine.keeping.upgrade import copy_first
from headway.engine.server_lock import ServerLock
from headway.engine.settings import Settings
from headway.store import whole
from headway.store.bulk import insert_rows
from headway.store.database import Transaction, open_database
from headway.store.migrate import known_migrations
from tests.support.databases import PostgresqlServer
from tests.support.repositories import Repository
from tests.support.settings import settings_in
from tests.support.workshop import Ended, Workshop

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
CHECKOUT = Path(__file__).parents[3]
CONTRACT = """
[jobs.build]
run = ["echo building", "mkdir dist; echo bytes > dist/shop.tar.gz; seq 1 50000"]
artifacts = ["dist/shop.tar.gz"]
[jobs.lint]
run = "echo schön"
[deploy]
kind = "files"
artifact = "dist/shop.tar.gz"
activate = "true"
[environments.production]
hosts = "web-1"
[hosts.web-1]
address = "127.0.0.1"
"""

Rows = dict[str, list[tuple[Any, ...]]]


def all_rows(url: str) -> Rows:
    def work(tx: Transaction) -> Rows:
        found: Rows = {}
        for table in whole.tables(tx):
            rows = [tuple(row.values()) for portion in whole.rows_of(tx, table, size=3) for row in portion]
            found[table.name] = sorted(rows, key=repr)
        return found

    with open_database(url, only=()) as database:
        return database.read(work)


class Life:
    """A data folder in which something happened: a run with a release, a server repository, keys."""

    def __init__(self, workshop: Workshop, ended: Ended) -> None:
        self.workshop = workshop
        self.settings = workshop.settings
        self.ended = ended
        data = self.settings.data
        database = ended.tools.database
        repository: dict[str, object] = dict.fromkeys(["url", "web_url", "created_by", "fault", "name"], "")
        repository |= {"id": "repo-1", "forge": "headway", "created_at": 0, "poll_every": 0, "faults": 0}
        self.bare = create_bare(data / "repositories" / "repo-1.git", "trunk", self.settings.environment)
        create_bare(
            data / "repositories" / "repo-2.git", "main", self.settings.environment
        )  # never pushed to
        workshop.repository.git("push", "-q", str(self.bare.folder), "HEAD:refs/heads/trunk")
        self.bare.keep("runs/1", ended.run.commit)

        def work(tx: Transaction) -> None:
            insert_rows(tx, "repositories", [repository])
            tx.execute("UPDATE commits SET repository = :folder", folder=str(self.bare.folder))

        database.transact(work)
        for name in ("org.toml", "org.last-good.toml"):
            (data / name).write_text("org = 1\n")
        (data / "secret.key").write_text("key\n")
        (data / "secrets").mkdir(exist_ok=True)
        (data / "secrets" / "shop.env").write_text("TOKEN=x\n")

    def back_up(self, **choices: bool) -> Backup:
        return make_backup(self.settings, self.workshop.outside / "backup.tar.gz", NOW, **choices)


@pytest.fixture
async def life(workshop: Workshop) -> Life:
    workshop.write(CONTRACT)
    ended = await workshop.run()
    assert ended.run.release
    compress(ended.tools.log(ended.job("build"), 1))
    return Life(workshop, ended)


@pytest.fixture(params=["sqlite", "postgresql"])
def elsewhere(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """Settings of an empty place: another folder, another database of either kind."""
    if request.param == "sqlite":
        yield settings_in(tmp_path / "elsewhere")
    else:
        server: PostgresqlServer = request.getfixturevalue("postgresql_server")
        with server.fresh_url(template="template0") as url:
            yield settings_in(tmp_path / "elsewhere", url)


async def test_what_was_backed_up_is_restored_into_either_database(life: Life, elsewhere: Settings) -> None:
    backup = life.back_up(keys=True)
    assert (backup.logs, backup.artifacts, backup.repositories, backup.missing) == (2, 1, 2, [])
    assert backup.file.stat().st_mode & 0o777 == 0o600
    before = all_rows(life.settings.database_url)

    restored = restore_backup(elsewhere, backup.file, NOW)

    assert (restored.repositories, restored.has_keys, restored.moved) == (2, True, [])
    assert restored.rows == backup.rows
    old, new = str(life.settings.data), str(elsewhere.data)
    meant = {
        name: sorted(
            (tuple(v.replace(old, new) if isinstance(v, str) else v for v in row) for row in rows), key=repr
        )
        for name, rows in before.items()
    }
    assert all_rows(elsewhere.database_url) == meant
    for name in ("build", "lint"):
        job = life.ended.job(name)
        with (
            LogFile.open(life.ended.tools.log(job, 1)) as here,
            LogFile.open(elsewhere.logs / job.run / f"{job.id}.1.log") as there,
        ):
            assert there.read(0, 10**7) == here.read(0, 10**7) != b""
            assert there.is_complete == here.is_complete == (name == "build")
    assert set(ArtifactStore(elsewhere.artifacts).digests()) == set(
        ArtifactStore(life.settings.artifacts).digests()
    )
    bare = create_bare(elsewhere.data / "repositories" / "repo-1.git", "main", elsewhere.environment)
    assert (bare.default_branch, bare.refs()) == ("trunk", life.bare.refs())
    assert bare.refs("refs/headway") == life.bare.refs("refs/headway") != {}
    assert (elsewhere.data / "repositories" / "repo-2.git").is_dir()
    for name in ("org.toml", "org.last-good.toml", "secret.key", "secrets/shop.env"):
        assert (elsewhere.data / name).read_bytes() == (life.settings.data / name).read_bytes()
        assert (elsewhere.data / name).stat().st_mode & 0o77 == 0
    assert sorted(path.name for path in elsewhere.data.parent.iterdir()) == ["data"]


async def test_what_was_restored_goes_on(life: Life, tmp_path: Path) -> None:
    """The next run gets the next number."""
    elsewhere = settings_in(tmp_path / "elsewhere")
    restore_backup(elsewhere, life.back_up().file, NOW)
    workshop = life.workshop
    workshop.settings = replace(life.settings, data=elsewhere.data, database_url=elsewhere.database_url)
    workshop.write(CONTRACT, {"more": "1"})
    again = await workshop.run()
    assert (again.run.number, str(again.run.state)) == (2, "succeeded")
    assert again.log("lint") == "schön\n".encode()


@pytest.mark.parametrize("keys", [False, True])
async def test_keys_and_secrets_are_in_it_only_when_asked_for(life: Life, keys: bool) -> None:
    backup = life.back_up(keys=keys)
    assert backup.keys == ("secret.key", "secrets")
    with reading(backup.file) as archive:
        names = {member.name for member in archive.members()}
        assert archive.verified
    assert ({"secret.key", "secrets/shop.env"} <= names) is keys
    assert ("TOKEN=x" in gzip.decompress(backup.file.read_bytes()).decode(errors="replace")) is keys


async def test_artifacts_can_be_left_out(life: Life, tmp_path: Path) -> None:
    backup = life.back_up(artifacts=False)
    assert (backup.artifacts, backup.logs) == (0, 2)
    restored = restore_backup(settings_in(tmp_path / "new"), backup.file, NOW)
    assert not restored.has_artifacts


# While others write


_WRITER = """
import sys
from headway.store.bulk import insert_rows
from headway.store.database import open_database
database = open_database(sys.argv[1])
for number in range(10**9):
    rows = [{"service": str(number), "noun": noun, "next_number": number} for noun in ("a", "b")]
    database.transact(lambda tx: insert_rows(tx, "counters", rows))
    if number == 20:
        print("going", flush=True)
"""


@contextmanager
def writer(url: str) -> Iterator[None]:
    """Another process that stores pairs of rows, each pair in one transaction, as fast as it can."""
    command = [sys.executable, "-c", _WRITER, url]
    with subprocess.Popen(command, cwd=CHECKOUT, text=True, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "going\n"
        try:
            yield
            assert process.poll() is None
        finally:
            process.kill()


@pytest.mark.slow
def test_a_backup_is_one_picture_of_a_database_that_is_written_to(
    database_url: str, elsewhere: Settings, tmp_path: Path
) -> None:
    settings = settings_in(tmp_path, database_url)
    backups: list[Backup] = []
    with writer(database_url):
        for number in range(3):
            backups.append(make_backup(settings, tmp_path / f"{number}.tar.gz", NOW))
            while len(all_rows(database_url)["counters"]) <= backups[-1].rows["counters"]:
                pass
    counts = [backup.rows["counters"] // 2 for backup in backups]
    assert 20 < counts[0] < counts[1] < counts[2]
    restore_backup(elsewhere, backups[1].file, NOW)
    found = all_rows(elsewhere.database_url)["counters"]
    assert sorted(found) == sorted((str(n), noun, n) for n in range(counts[1]) for noun in ("a", "b"))


def test_files_that_go_or_change_meanwhile_are_no_end_of_it(
    life_folder: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs, artifacts = life_folder.logs / "run-1", life_folder.artifacts / "sha256" / "ab"
    for folder in (logs, artifacts):
        folder.mkdir(parents=True)
    (logs / "job-1.1.log").write_bytes(b"one\n")
    (logs / "job-2.1.log").write_bytes(b"two\n")
    (artifacts / "cd").write_bytes(b"gone")
    original = backup_module._files

    def meanwhile(folder: Path) -> Iterator[Path]:
        """Just before each file is opened a log is packed, or an artifact goes."""
        for path in list(original(folder)):
            if path.name == "job-2.1.log":
                compress(path)
            if path.name == "cd":
                path.unlink()
            yield path

    monkeypatch.setattr(backup_module, "_files", meanwhile)
    backup = make_backup(life_folder, tmp_path / "backup.tar.gz", NOW)
    assert (backup.logs, backup.artifacts, backup.missing) == (2, 0, ["artifacts/sha256/ab/cd"])
    new = settings_in(tmp_path / "new")
    restore_backup(new, backup.file, NOW)
    for name, text in (("job-1.1.log", b"one\n"), ("job-2.1.log", b"two\n")):
        with LogFile.open(new.logs / "run-1" / name) as log:
            assert log.read(0, 100) == text


@pytest.fixture
def life_folder(tmp_path: Path) -> Settings:
    """A data folder with an empty SQLite database."""
    settings = settings_in(tmp_path)
    open_database(settings.database_url).close()
    return settings


# What is refused


def test_nothing_is_backed_up_where_nothing_is(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    with pytest.raises(WrongUse, match="there is no database"):
        make_backup(settings, tmp_path / "backup.tar.gz", NOW)
    assert not settings.data.exists()


def test_a_backup_is_never_written_over(life_folder: Settings, tmp_path: Path) -> None:
    backup = make_backup(life_folder, tmp_path / "backup.tar.gz", NOW)
    with pytest.raises(WrongUse, match="is there already"):
        make_backup(life_folder, backup.file, NOW)


def test_a_backup_that_cannot_be_written_leaves_nothing(
    life_folder: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(backup_module._Files, "add", fail)
    (tmp_path / "backups").mkdir()
    with pytest.raises(Errored, match="there is no room for the backup"):
        make_backup(life_folder, tmp_path / "backups" / "backup.tar.gz", NOW)
    assert list((tmp_path / "backups").iterdir()) == []


def damaged(path: Path, how: str) -> None:
    data = path.read_bytes()
    match how:
        case "cut":
            path.write_bytes(data[: len(data) // 2])
        case "flipped":
            path.write_bytes(data[:5000] + bytes([data[5000] ^ 1]) + data[5001:])
        case "no backup":
            path.write_bytes(b"hello\n")
        case "another tar":
            with tarfile.open(path, "w:gz") as tar:
                tar.addfile(tarfile.TarInfo("readme"), io.BytesIO())
        case _:
            _rewrite(path, how)


def _rewrite(path: Path, how: str) -> None:
    """A well-formed archive with one member changed, missing, added, or with another header."""
    members: dict[str, bytes] = {}
    with tarfile.open(path) as tar:
        for info in tar:
            file = tar.extractfile(info)
            assert file is not None
            members[info.name] = file.read()
    match how:
        case "changed":
            members["tables/counters.jsonl"] += b'["x", "run", 7]\n'
        case "missing":
            del members["tables/counters.jsonl"]
        case "added":
            manifest = members.pop("manifest.json")
            members |= {"logs/run/x.log": b"", "manifest.json": manifest}
        case "added behind":
            members["logs/run/x.log"] = b""
        case "newer":
            header = json.loads(members["headway-backup.json"])
            members["headway-backup.json"] = json.dumps(header | {"format": 99}).encode()
    with tarfile.open(path, "w:gz") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


@pytest.mark.parametrize(
    "how",
    ["cut", "flipped", "no backup", "another tar", "changed", "missing", "added", "added behind", "newer"],
)
def test_a_backup_that_is_not_whole_is_refused_and_leaves_nothing(
    life_folder: Settings, tmp_path: Path, how: str
) -> None:
    (life_folder.data / "org.toml").write_bytes(b"# \xc3\xa4\n" + gzip.compress(bytes(range(256)) * 400))
    backup = make_backup(life_folder, tmp_path / "backup.tar.gz", NOW)
    damaged(backup.file, how)
    new = settings_in(tmp_path / "new")
    with pytest.raises(ArchiveInvalid):
        restore_backup(new, backup.file, NOW)
    assert not list(new.data.parent.glob("*"))


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "logs/../../evil", "jobs/evil", "headway.db"])
def test_a_member_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    with writing(tmp_path / "backup", {"migrations": list(known_migrations())}) as archive:
        archive.add_bytes(name, b"evil")
    new = settings_in(tmp_path / "new")
    with pytest.raises(ArchiveInvalid):
        restore_backup(new, tmp_path / "backup", NOW)
    assert not list(tmp_path.rglob("evil"))


def test_names_of_tables_and_columns_are_only_ours(tmp_path: Path) -> None:
    with writing(tmp_path / "backup", {"migrations": list(known_migrations())}) as archive:
        archive.add_bytes("tables/counters.jsonl", b'["service) VALUES (1); DROP TABLE runs; --"]\n["x"]\n')
    with pytest.raises(ArchiveInvalid, match="'counters' is not as its schema says"):
        restore_backup(settings_in(tmp_path / "new"), tmp_path / "backup", NOW)


def test_a_backup_of_a_newer_schema_is_refused(tmp_path: Path) -> None:
    with writing(tmp_path / "backup", {"migrations": [*known_migrations(), "9000_future"]}):
        pass
    with pytest.raises(ArchiveInvalid, match="9000_future"):
        restore_backup(settings_in(tmp_path / "new"), tmp_path / "backup", NOW)


# Into what is not empty


async def test_what_stands_there_is_refused_or_moved_aside(life: Life) -> None:
    backup, settings = life.back_up(), life.settings
    for tools in life.workshop._open:
        tools.database.close()
    with pytest.raises(NotEmpty):
        restore_backup(settings, backup.file, NOW)
    before = all_rows(settings.database_url)
    restored = restore_backup(settings, backup.file, NOW, force=True)
    assert all_rows(settings.database_url) == before
    aside = settings.data.with_name("data.before-restore-20260504T030201Z")
    assert restored.moved[0 if len(restored.moved) == 1 else -1] == str(aside) or str(aside) in restored.moved
    assert (aside / "org.toml").exists()


async def test_a_restore_that_fails_late_puts_back_what_it_moved(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup, settings = life.back_up(), life.settings
    for tools in life.workshop._open:
        tools.database.close()
    before = all_rows(settings.database_url)

    def fail(*_: object) -> None:
        raise Errored("the cable was pulled")

    monkeypatch.setattr(whole, "put_rows", fail)
    with pytest.raises(Errored, match="cable"):
        restore_backup(settings, backup.file, NOW, force=True)
    assert all_rows(settings.database_url) == before
    assert (settings.data / "org.toml").exists()
    assert not list(settings.data.parent.glob("*before-restore*"))


async def test_what_a_killed_restore_left_is_removed_and_one_that_goes_on_is_spared(life: Life) -> None:
    backup, settings = life.back_up(), life.settings
    for tools in life.workshop._open:
        tools.database.close()
    left, going, others = (
        settings.data.with_name(f".{name}")
        for name in ("data.restoring-0badcafe", "data.restoring-600d", "other.restoring-1")
    )
    for folder in (left, going, others):
        (folder / "logs").mkdir(parents=True)
    held = os.open(going, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        restore_backup(settings, backup.file, NOW, force=True)
        assert [folder.exists() for folder in (left, going, others)] == [False, True, True]
    finally:
        os.close(held)


async def test_only_the_database_can_be_put_back(life: Life) -> None:
    backup, settings = life.back_up(), life.settings
    before = all_rows(settings.database_url)
    life.ended.tools.database.transact(lambda tx: tx.execute("UPDATE runs SET reason = 'spoilt'"))
    for tools in life.workshop._open:
        tools.database.close()
    (settings.data / "org.toml").write_text("newer\n")
    restored: Restored = restore_backup(settings, backup.file, NOW, force=True, only_database=True)
    assert all_rows(settings.database_url) == before
    assert (settings.data / "org.toml").read_text() == "newer\n"
    assert restored.moved


def test_nothing_is_restored_below_a_server_that_runs(life_folder: Settings, tmp_path: Path) -> None:
    backup = make_backup(life_folder, tmp_path / "backup.tar.gz", NOW)
    lock = ServerLock(life_folder.data)
    lock.take()
    try:
        with pytest.raises(NotEmpty, match="a server runs on"):
            restore_backup(life_folder, backup.file, NOW, force=True)
    finally:
        lock.release()


# Before a migration


@pytest.fixture
def old_url(request: pytest.FixtureRequest, database_url: str) -> str:
    """A database of an older version, with a row."""
    postgresql = database_url.startswith("postgresql")
    if postgresql:
        with open_database(database_url, only=()) as database:
            database.transact(whole.drop)
    with open_database(database_url, only=known_migrations()[:4]) as database:
        database.transact(
            lambda tx: insert_rows(tx, "counters", [{"service": "shop", "noun": "run", "next_number": 42}])
        )
    return database_url


def test_a_copy_is_made_before_a_migration_and_its_way_back_works(old_url: str, tmp_path: Path) -> None:
    settings = settings_in(tmp_path, old_url)
    told: list[str] = []
    open_database(old_url, before=copy_first(settings, told.append)).close()
    [sentence] = told
    first = known_migrations()[4]
    assert f"gets the migrations {first}, " in sentence
    command = sentence.rpartition("and run: ")[2]

    def applied() -> tuple[str, ...]:
        with open_database(old_url, only=()) as database:
            return database.read(whole.applied_migrations)

    assert applied() == known_migrations()
    if old_url.startswith("sqlite"):
        subprocess.run(["sh", "-c", command], check=True)
        assert applied() == known_migrations()[:4]
    else:
        archive = Path(command.split()[2])
        assert command == f"headway restore {archive} --database-only --force"
        restore_backup(settings, archive, NOW, force=True, only_database=True)
    with open_database(old_url, only=()) as database:
        assert database.read(whole.applied_migrations)[:4] == known_migrations()[:4]
        row = database.read(lambda tx: tx.one("SELECT next_number FROM counters"))
    assert row == {"next_number": 42}


def test_the_version_of_before_restores_over_the_tables_of_the_one_after(
    postgresql_server: PostgresqlServer, tmp_path: Path
) -> None:
    """The way back is gone with the version of before, to which the tables of after are those of a newer Headway."""
    with postgresql_server.fresh_url() as url:
        settings = settings_in(tmp_path, url)
        with open_database(url) as database:
            database.transact(
                lambda tx: insert_rows(
                    tx, "counters", [{"service": "shop", "noun": "run", "next_number": 42}]
                )
            )
        backup = make_backup(settings, tmp_path / "before.tar.gz", NOW)

        def upgrade(tx: Transaction) -> None:
            tx.execute("INSERT INTO migrations (name, applied_at) VALUES ('9999_after', 0)")
            tx.execute("CREATE TABLE after (id TEXT PRIMARY KEY)")
            tx.execute("UPDATE counters SET next_number = 43")

        with open_database(url) as database:
            database.transact(upgrade)
        with pytest.raises(NotEmpty, match="has rows already"):
            restore_backup(settings, backup.file, NOW, only_database=True)
        restored = restore_backup(settings, backup.file, NOW, force=True, only_database=True)
        assert re.fullmatch(r"the schema before_restore_\w+ of the database", restored.moved[0])
        with open_database(url) as database:
            assert database.read(whole.applied_migrations) == known_migrations()
            assert database.read(lambda tx: tx.one("SELECT next_number FROM counters")) == {"next_number": 42}


def test_no_copy_is_made_of_a_new_database_nor_when_nothing_changes(
    database_url: str, tmp_path: Path
) -> None:
    told: list[str] = []
    for _ in range(2):
        open_database(
            database_url, before=copy_first(settings_in(tmp_path, database_url), told.append)
        ).close()
    assert told == []


def test_the_copy_can_be_done_without(old_url: str, tmp_path: Path) -> None:
    told: list[str] = []
    settings = settings_in(tmp_path, old_url, HEADWAY_COPY_BEFORE_MIGRATION="no")
    open_database(old_url, before=copy_first(settings, told.append)).close()
    assert "no copy is made" in told[0]
    assert not list(tmp_path.rglob("*before*"))


def test_the_last_three_copies_stay(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    known = known_migrations()
    for number in range(1, 7):
        open_database(
            settings.database_url, only=known[:number], before=copy_first(settings, lambda _: None)
        ).close()
    kept = sorted(path.name for path in settings.data.iterdir() if "before" in path.name)
    assert kept == [f"headway.db.before-{known[number]}" for number in (3, 4, 5)]


def test_a_migration_without_room_for_its_copy_is_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_in(tmp_path)
    open_database(settings.database_url, only=known_migrations()[:2]).close()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("headway.store.copies._copy", fail)
    with pytest.raises(Errored, match="no room for a copy"):
        open_database(settings.database_url, before=copy_first(settings)).close()
    with open_database(settings.database_url, only=()) as database:
        assert database.read(whole.applied_migrations) == known_migrations()[:2]


def test_every_value_of_a_row_comes_back(database_url: str, elsewhere: Settings, tmp_path: Path) -> None:
    """Text of any kind, numbers at the limits, nothing."""
    texts = ["", "ä\n\"'\\%:name", "\ud7ff\U0001f600", "x" * 100_000]
    rows = [
        {"service": text, "noun": str(number), "next_number": big}
        for number, (text, big) in enumerate(zip(texts, [0, -1, 2**63 - 1, -(2**63)], strict=True))
    ]
    settings = settings_in(tmp_path, database_url)
    with open_database(database_url) as database:
        database.transact(lambda tx: insert_rows(tx, "counters", rows))
    backup = make_backup(settings, tmp_path / "backup.tar.gz", NOW)
    restore_backup(elsewhere, backup.file, NOW)
    assert all_rows(elsewhere.database_url) == all_rows(database_url)
    assert len(all_rows(database_url)["counters"]) == 4


def test_repositories_are_read_while_they_are_pushed_to(life_folder: Settings, tmp_path: Path) -> None:
    bare = create_bare(life_folder.data / "repositories" / "repo-1.git", "main", life_folder.environment)
    repository = Repository(tmp_path / "repository")
    commits = [repository.commit({"file": str(number)}) for number in range(3)]
    for number, sha in enumerate(commits):
        repository.git("push", "-q", str(bare.folder), f"{sha}:refs/heads/main")
        backup = make_backup(life_folder, tmp_path / f"{number}.tar.gz", NOW)
        new = settings_in(tmp_path / f"new{number}")
        restore_backup(new, backup.file, NOW)
        restored = create_bare(new.data / "repositories" / "repo-1.git", "main", new.environment)
        assert restored.refs() == {"refs/heads/main": sha}
