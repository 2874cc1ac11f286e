"""`headway backup`, `restore` and `export` as people and scripts meet them."""

import json
import tarfile
from datetime import timedelta
from pathlib import Path

import pytest

from headway.base.clock import SystemClock
from headway.cli.restore import _meant, _next
from headway.engine.keeping.backup import make_backup
from headway.engine.keeping.restore import restore_backup
from headway.engine.ownership import this_process
from headway.engine.server.check import check_server
from headway.engine.server_place import ID, KIND, other_server
from headway.engine.server_settings import ServerSettings
from headway.store import owners
from headway.store.database import open_database
from headway.store.inspect import look
from headway.store.migrate import known_migrations
from tests.support.command_line import Terminal
from tests.support.settings import settings_in

CONTRACT = """
[jobs.build]
run = "mkdir dist; echo bytes > dist/shop.tar.gz; echo schön; echo a=b >> $HEADWAY_OUTPUT; cp junit report.xml"
artifacts = ["dist/shop.tar.gz"]
reports = { junit = "report.xml" }
[deploy]
kind = "files"
artifact = "dist/shop.tar.gz"
activate = "true"
[environments.production]
hosts = "web-1"
[hosts.web-1]
address = "127.0.0.1"
"""
REPORT = '<testsuite name="s" tests="1"><testcase name="well" time="0.1"/></testsuite>'


@pytest.fixture
def lived(terminal: Terminal) -> Terminal:
    """A data folder with a run and its release."""
    terminal.repository.write({"junit": REPORT, ".gitignore": "dist\nreport.xml\n"})
    terminal.write(CONTRACT)
    assert terminal.call("run").code == 0
    return terminal


@pytest.mark.slow
def test_a_backup_restored_elsewhere_shows_the_same(lived: Terminal, tmp_path: Path) -> None:
    made = lived.call("backup", str(tmp_path))
    assert made.code == 0, made.complaint
    [file] = tmp_path.glob("headway-backup-*.tar.gz")
    assert "1 logs, 1 artifacts" in made.text
    assert f"next: try it: headway restore {file} --into SOME_EMPTY_FOLDER" in made.text
    before = [lived.call(*words).output for words in (("logs", "last", "build"), ("release", "--json"))]

    new = tmp_path / "new"
    url = f"sqlite:///{new}/headway.db"
    restored = lived.call("restore", str(file), "--into", str(new), "--database", url)
    assert restored.code == 0, restored.complaint
    assert "next: put secret.key" in restored.text
    lived.environment |= {"HEADWAY_DATA": str(new), "HEADWAY_DATABASE_URL": url}
    assert [
        lived.call(*words).output for words in (("logs", "last", "build"), ("release", "--json"))
    ] == before


def test_a_restore_never_overwrites(sqlite_terminal: Terminal, tmp_path: Path) -> None:
    sqlite_terminal.write("[jobs.test]\nrun = 'true'\n")
    sqlite_terminal.make_database()
    assert sqlite_terminal.call("backup", str(tmp_path / "b.tar.gz")).code == 0
    again = sqlite_terminal.call("restore", str(tmp_path / "b.tar.gz"))
    assert (again.code, "is not empty" in again.complaint, "--force" in again.complaint) == (2, True, True)
    forced = sqlite_terminal.call("restore", str(tmp_path / "b.tar.gz"), "--force")
    assert forced.code == 0, forced.complaint
    assert "what stood there before is" in forced.text
    assert list(tmp_path.glob("data.before-restore-*"))


def test_a_key_that_is_left_out_is_told_of(sqlite_terminal: Terminal, tmp_path: Path) -> None:
    sqlite_terminal.write("[jobs.test]\nrun = 'true'\n")
    sqlite_terminal.make_database()
    (sqlite_terminal.data / "secret.key").write_text("key")
    made = sqlite_terminal.call("backup", str(tmp_path / "b.tar.gz"))
    assert f"not in it: {sqlite_terminal.data / 'secret.key'}; keep a copy elsewhere" in made.text
    with_key = sqlite_terminal.call("backup", str(tmp_path / "k.tar.gz"), "--with-key")
    assert "not in it" not in with_key.text


def test_the_database_goes_with_the_data_folder_unless_it_is_elsewhere(tmp_path: Path) -> None:
    usual = settings_in(tmp_path)
    elsewhere = settings_in(tmp_path, "postgresql://db/headway")
    new = tmp_path / "new"
    assert _meant(usual, None, None) == usual
    assert _meant(usual, new, None).database_url == f"sqlite:///{new}/headway.db"
    assert _meant(elsewhere, new, None).database_url == "postgresql://db/headway"
    assert _meant(elsewhere, new, "sqlite:////x").database_url == "sqlite:////x"


def test_a_command_of_a_new_version_copies_the_database_first(sqlite_terminal: Terminal) -> None:
    url = sqlite_terminal.environment["HEADWAY_DATABASE_URL"]
    open_database(url, only=known_migrations()[:3]).close()
    sqlite_terminal.write("[jobs.test]\nrun = 'true'\n")
    first = sqlite_terminal.call("release", "--json")
    assert first.code == 0
    assert first.document["releases"] == []
    assert f"headway.db.before-{known_migrations()[3]}" in first.complaint
    assert "to go back: stop Headway" in first.complaint
    assert "before" not in sqlite_terminal.call("release", "--json").complaint


# Export


@pytest.mark.slow
def test_everything_is_exported_in_open_formats(lived: Terminal, tmp_path: Path) -> None:
    answer = lived.call("export", str(tmp_path / "export"), "--with-logs")
    assert answer.code == 0, answer.complaint

    def lines(name: str) -> list[dict[str, object]]:
        return [json.loads(line) for line in (tmp_path / "export" / name).read_text().splitlines()]

    [run] = lines("runs.jsonl")
    assert (run["service"], run["number"], run["state"], run["dirty"]) == ("shop", 1, "succeeded", False)
    assert isinstance(run["created_at"], str) and run["created_at"].endswith("Z")
    assert "token" not in run
    [job] = lines("jobs.jsonl")
    assert (job["run"], job["outputs"], job["tests_total"]) == (run["id"], {"a": "b"}, 1)
    [release] = lines("releases.jsonl")
    [commit] = lines("commits.jsonl")
    assert release["commit"] == run["commit"] == commit["sha"]
    assert [test["name"] for test in lines("tests.jsonl")] == ["well"]
    [log] = (tmp_path / "export" / "logs").glob("*/*.log")
    assert log.read_text() == "schön\n"

    readme = (tmp_path / "export" / "README.md").read_text()
    for name in ("runs.jsonl", "jobs.jsonl", "steps.jsonl", "releases.jsonl"):
        section = readme.partition(f"## {name}\n")[2].partition("\n## ")[0]
        for field in lines(name)[0]:
            assert f"| `{field}` |" in section
    assert lived.call("export", str(tmp_path / "export")).code == 2


def test_an_export_may_be_one_file_and_holds_no_way_in(sqlite_terminal: Terminal, tmp_path: Path) -> None:
    from headway.store.bulk import insert_rows

    with open_database(sqlite_terminal.environment["HEADWAY_DATABASE_URL"]) as database:
        person: dict[str, object] = dict.fromkeys(["display_name", "email"], "Ana")
        person |= {"handle": "ana", "role": "viewer", "password_hash": "$argon2id$SECRET", "created_at": 0}
        repository: dict[str, object] = dict.fromkeys(["web_url", "created_by", "fault", "name"], "")
        repository |= {"url": "https://ana:SECRET@example.org/shop.git", "id": "repo-1", "forge": "git"}
        repository |= {"created_at": 0, "poll_every": 0, "faults": 0}
        database.transact(lambda tx: insert_rows(tx, "people", [person]))
        database.transact(lambda tx: insert_rows(tx, "repositories", [repository]))
    sqlite_terminal.write("[jobs.test]\nrun = 'true'\n")
    assert sqlite_terminal.call("export", str(tmp_path / "all.tar.gz")).code == 0
    content = {}
    with tarfile.open(tmp_path / "all.tar.gz") as tar:
        for info in tar:
            if (file := tar.extractfile(info)) is not None:
                content[info.name] = file.read().decode()
    assert json.loads(content["headway-export/people.jsonl"])["handle"] == "ana"
    assert json.loads(content["headway-export/repositories.jsonl"])["url"] == "https://example.org/shop.git"
    assert not [name for name, text in content.items() if "SECRET" in text]


def test_a_repository_that_cannot_be_reached_is_exported_like_any_other(
    sqlite_terminal: Terminal, tmp_path: Path
) -> None:
    from headway.store.bulk import insert_rows

    with open_database(sqlite_terminal.environment["HEADWAY_DATABASE_URL"]) as database:
        repository: dict[str, object] = dict.fromkeys(["url", "web_url", "created_by", "name"], "")
        repository |= {"id": "repo-1", "forge": "git", "created_at": 0, "poll_every": 0}
        repository |= {"faults": 3, "fault": "it cannot be reached"}
        database.transact(lambda tx: insert_rows(tx, "repositories", [repository]))
    sqlite_terminal.write("[jobs.test]\nrun = 'true'\n")
    answer = sqlite_terminal.call("export", str(tmp_path / "all"))
    assert answer.code == 0, answer.complaint
    [line] = (tmp_path / "all" / "repositories.jsonl").read_text().splitlines()
    assert (json.loads(line)["faults"], json.loads(line)["fault"]) == (3, "it cannot be reached")


def test_what_is_exported_as_json_is_text_in_its_table(sqlite_terminal: Terminal) -> None:
    from headway.engine.keeping.export_fields import FLAGS, NOUNS

    with open_database(sqlite_terminal.environment["HEADWAY_DATABASE_URL"]) as database:
        for noun in NOUNS:
            columns = database.read(lambda tx, noun=noun: tx.all(f"PRAGMA table_info ({noun.table})"))
            kinds = {column["name"]: column["type"] for column in columns if noun.has(column["name"])}
            assert {kinds[name] for name in kinds if noun.is_json(name)} <= {"TEXT"}, noun.table
            assert {kinds[name] for name in kinds if name == "at" or name.endswith("_at")} <= {"BIGINT"}
            assert {kinds[name] for name in kinds if name in FLAGS} <= {"BOOLEAN", "INTEGER"}, noun.table


@pytest.mark.slow
def test_a_backup_is_not_left_where_the_next_run_takes_it_along(
    sqlite_terminal: Terminal, tmp_path: Path
) -> None:
    sqlite_terminal.make_database()
    top = sqlite_terminal.repository.folder
    refused = sqlite_terminal.call("backup")
    assert refused.code == 2
    assert f"lies in the working tree of {top}" in refused.complaint
    assert "headway backup ~/backups/" in refused.complaint
    assert not list(top.glob("headway-backup-*"))
    # Who names a place there has it, and is told; so with an export.
    for command, name in (("backup", "b.tar.gz"), ("export", "e.tar.gz")):
        made = sqlite_terminal.call(command, name)
        assert made.code == 0
        assert "the next headway run takes it along" in made.complaint
    sqlite_terminal.repository.write({".gitignore": "*.tar.gz\n"})
    for typed in (["backup"], ["backup", "c.tar.gz"], ["backup", f"{tmp_path}/d.tar.gz"]):
        made = sqlite_terminal.call(*typed)
        assert (made.code, "takes it along" in made.complaint) == (0, False)


def test_what_to_do_after_a_restore_acts_on_what_was_restored(tmp_path: Path) -> None:
    usual = settings_in(tmp_path / "usual")
    there = _meant(usual, tmp_path / "new", None)
    [up, look_at] = _next(usual, there)
    new = tmp_path / "new"
    assert up.startswith(f"next: headway up --data {new}, or HEADWAY_DATA={new} headway status; ")
    assert f"headway up --data {new} --duties web" in look_at
    assert _next(usual, usual)[0].startswith("next: headway up, or headway status; ")
    other = _next(usual, _meant(usual, None, "postgresql://headway:hunter2@db/headway"))
    assert "--database URL" in other[0] and "hunter2" not in "".join(other)


def test_a_slash_at_the_end_means_a_folder_that_is_made(sqlite_terminal: Terminal, tmp_path: Path) -> None:
    sqlite_terminal.make_database()
    made = sqlite_terminal.call("backup", f"{tmp_path}/new/")
    assert made.code == 0, made.complaint
    assert [file.name[:15] for file in (tmp_path / "new").iterdir()] == ["headway-backup-"]
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    for typed in (f"{tmp_path}/no/such/", f"{tmp_path}/no/such"):
        refused = sqlite_terminal.call("backup", typed)
        assert refused.code == 2
        assert typed in refused.complaint and "next: make it" in refused.complaint


def test_what_is_restored_is_nobodys_yet(tmp_path: Path) -> None:
    """The server of the backup goes on beside it: it has another database."""
    old, new = settings_in(tmp_path / "old"), settings_in(tmp_path / "new")
    now = SystemClock().now()
    with open_database(old.database_url) as database:
        database.transact(
            lambda tx: owners.claim(tx, KIND, ID, this_process("headway"), now, timedelta(hours=1))
        )
    make_backup(old, tmp_path / "b.tar.gz", now)
    restore_backup(new, tmp_path / "b.tar.gz", now)
    assert look(old.database_url, lambda tx: other_server(tx, now)) is not None
    assert look(new.database_url, lambda tx: str(other_server(tx, now))) == "None"


@pytest.mark.slow
@pytest.mark.parametrize(("alive", "refuses"), [(True, True), (None, False), (False, False)])
def test_check_judges_a_claim_on_the_database_as_the_start_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alive: bool | None, refuses: bool
) -> None:
    here = settings_in(tmp_path)
    now = SystemClock().now()
    with open_database(here.database_url) as database:
        database.transact(
            lambda tx: owners.claim(tx, KIND, ID, this_process("headway"), now, timedelta(hours=1))
        )
    monkeypatch.setattr("headway.engine.ownership.is_alive", lambda _: alive)
    monkeypatch.setattr("headway.engine.server.check.is_alive", lambda _: alive)
    options = ServerSettings(host="127.0.0.1", port=0, org_file=tmp_path / "org.toml")
    [(what, fault)] = [found for found in check_server(here, options) if "server on the database" in found[0]]
    assert (fault is not None) == refuses
    assert ("the start waits up to 30 s" in what) == (alive is None)
