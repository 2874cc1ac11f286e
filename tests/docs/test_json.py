"""docs/json.md against what commands print: the same keys, no more and no less."""

import json
import re
import subprocess
from pathlib import Path

import pytest

import headway.main.entry
from headway.base.clock import SystemClock
from headway.cli.root import COMMANDS
from headway.store.database import open_database
from tests.docs.pages import blocks
from tests.docs.shapes import PAGE, Table, inline, nested, same, tables
from tests.support.command_line import Terminal
from tests.support.deliveries import START, Story
from tests.support.stored_deliveries import store

assert headway.main.entry  # It puts the demo among the commands.
CONTRACT = """
[jobs.test]
run = "echo colour=blue >> $HEADWAY_OUTPUT; cp junit report.xml; test ! -e bad"
reports = { junit = "report.xml" }
[jobs.build]
run = "mkdir dist; echo bytes > dist/shop.tar.gz"
artifacts = ["dist/shop.tar.gz"]
[deploy]
kind = "files"
artifact = "dist/shop.tar.gz"
activate = "true"
[environments.staging]
hosts = "web-1"
[environments.production]
hosts = "web-1"
root = "elsewhere"
[hosts.web-1]
address = "127.0.0.1"
"""
REPORT = """<testsuite name="s" tests="2" failures="1">
<testcase name="well" time="0.1"/><testcase name="ill" time="0.2"><failure message="no"/></testcase></testsuite>"""


@pytest.fixture
def shop(tmp_path: Path) -> Terminal:
    """A service with a contract, and the command."""
    terminal = Terminal(tmp_path, f"sqlite:///{tmp_path}/data/headway.db")
    terminal.repository.write({"junit": REPORT, "bad": "", ".gitignore": "dist\nreport.xml\n"})
    terminal.write(CONTRACT)
    return terminal


def test_each_command_has_its_section_and_each_section_its_command() -> None:
    assert {name.removeprefix("headway ") for names in PAGE for name in names.split(", ")} == set(COMMANDS)


def test_what_looks_like_json_is_json() -> None:
    for block in blocks("json"):
        json.loads(re.sub(r"\b[A-Z]{3,}\b", "{}", block.text).replace(", …", ""))


@pytest.mark.slow
def test_runs_logs_and_releases(shop: Terminal) -> None:
    of_run, of_release = tables(PAGE["headway run"]), tables(PAGE["headway release"])
    failed = shop.call("run", "--json").document
    (shop.repository.folder / "bad").unlink()
    shop.repository.commit()
    well = shop.call("run", "--json").document
    assert (failed["run"]["state"], well["run"]["state"]) == ("failed", "succeeded")
    for document in (failed, well):
        same(document, of_run[""])
        same(document["run"], of_run["RUN"])
        for job in document["jobs"]:
            same(job, of_run["JOB"])
    assert set(failed["failed_tests"][0]) == inline(of_run[""]["failed_tests"])
    assert set(well["artifacts"][0]) == inline(of_run[""]["artifacts"])
    assert set(next(job["tests"] for job in well["jobs"] if job["tests"])) == inline(of_run["JOB"]["tests"])

    logs, of_logs = shop.call("logs", "last", "--json").document, tables(PAGE["headway logs"])[""]
    same(logs, Table({key: said for key, said in of_logs.items() if "[]" not in key}))
    more = {key.removeprefix("jobs[]."): said for key, said in of_logs.items() if "[]" in key}
    for job in logs["jobs"]:
        same(job, Table({**of_run["JOB"], **more}))
        assert {key for step in job["steps"] for key in step} == inline(more["steps"])

    releases = shop.call("release", "--json").document
    assert set(releases) == {"service", "releases"}
    shown = shop.call("release", "show", "HEAD", "--json").document["release"]
    for release in (*releases["releases"], shown):
        same(release, of_release["RELEASE"])
    assert set(shown["artifacts"][0]) == inline(of_release["RELEASE"]["artifacts"])


def deliver(shop: Terminal) -> None:
    """A deployment to production, as a row."""
    story = Story()
    hours = (SystemClock().now() - START).total_seconds() / 3600
    story.add(hours - 48)
    story.add(hours - 24, commits=[hours - 30])
    with open_database(shop.environment["HEADWAY_DATABASE_URL"]) as database:
        store(database, story.facts)


@pytest.mark.slow
def test_deployments(shop: Terminal) -> None:
    shop.repository.write({"dist/shop.tar.gz": "bytes"})
    assert shop.call("release", "add", "--commit", "HEAD", "dist/shop.tar.gz").code == 0
    page = PAGE["headway deploy, headway rollback"]
    plan = shop.call("deploy", "staging", "--dry-run", "--json").document
    assert set(plan) == nested(page, "--dry-run --json")
    deliver(shop)
    section = PAGE["headway status"]
    status = shop.call("status", "--json").document
    assert set(status) == {"service", "environments", "runs", "requests"}
    live = [found["live"] for found in status["environments"] if found["live"]]
    assert {key for found in status["environments"] for key in found} == nested(section, "ENVIRONMENT is")
    for deployment in live:
        same(deployment, tables(page)["DEPLOYMENT"])
    assert live


def test_metrics(shop: Terminal) -> None:
    deliver(shop)
    of_metrics = tables(PAGE["headway metrics"])
    document = shop.call("metrics", "--explain", "lead-time", "--json").document
    same(document, Table({key: said.replace(" only", "") for key, said in of_metrics[""].items()}))
    assert "explain" not in shop.call("metrics", "--json").document
    assert set(document["metrics"]) == set(re.findall(r"`(\w+)`", of_metrics[""]["metrics"]))
    for metric in document["metrics"].values():
        same(metric, of_metrics["METRIC"])
    assert document["explain"]["rows"]
    for row in document["explain"]["rows"]:
        same(row, of_metrics["ROW"])


@pytest.mark.slow
def test_check_and_init(shop: Terminal, tmp_path: Path) -> None:
    of_check = tables(PAGE["headway check"])
    document = shop.call("check", "--json").document
    same(document, of_check[""])
    for key in ("jobs", "environments", "hosts"):
        assert set(document[key][0]) == inline(of_check[""][key]), key
    assert set(shop.call("check", "--upgrade", "--json").document["upgrade"]) == inline(
        of_check[""]["upgrade"]
    )

    shop.write("[jobs.test]\nrnu = 1\n")
    answer = shop.call("check", "--json")
    assert answer.code == 2
    assert set(answer.document) == {"ok", "faults"}
    for fault in answer.document["faults"]:
        same(fault, of_check["FAULT"])

    (shop.repository.folder / "headway.toml").unlink()
    same(shop.call("init", "--print", "--json").document, tables(PAGE["headway init"])[""])


@pytest.mark.slow
def test_secrets_people_and_tokens(shop: Terminal) -> None:
    words = ("secret", "set", "A", "--json")
    with shop.start(*words, stdin=subprocess.PIPE) as process:
        output, _ = process.communicate(b"hunter2", timeout=60)
    of_secret = tables(PAGE["headway secret"])["SECRET"]
    for secret in (json.loads(output)["secret"], *shop.call("secret", "list", "--json").document["secrets"]):
        same(secret, of_secret)
    rotated = shop.call("secret", "rotate-key", "--json").document
    removed = shop.call("secret", "remove", "A", "--json").document["removed"]
    assert set(rotated) == {"key", "secrets"} and set(removed) == {"name", "scope", "owner"}

    of_person = tables(PAGE["headway people"])["PERSON"]
    same(shop.call("people", "add", "ana", "--json").document["person"], of_person)
    for person in shop.call("people", "list", "--json").document["people"]:
        same(person, of_person)
    assert set(shop.call("people", "invite", "ana", "--json").document) == {"link", "handle"}

    of_token = tables(PAGE["headway token"])["TOKEN"]
    made = shop.call("token", "create", "ci", "--scope", "run", "--json").document["token"]
    assert set(made) == set(of_token)
    [listed] = shop.call("token", "list", "--json").document["tokens"]
    same(listed, of_token)
    assert "text" not in listed


@pytest.mark.slow
def test_backup_restore_and_export(shop: Terminal, tmp_path: Path) -> None:
    shop.make_database()
    made = shop.call("backup", str(tmp_path / "backup.tar.gz"), "--json").document
    same(made, tables(PAGE["headway backup"])[""])
    assert set(made["keys"]) == inline(tables(PAGE["headway backup"])[""]["keys"])
    elsewhere = ("--into", str(tmp_path / "new"), "--database", f"sqlite:///{tmp_path}/new/headway.db")
    restored = shop.call("restore", made["file"], *elsewhere, "--json").document
    same(restored, tables(PAGE["headway restore"])[""])
    exported = shop.call("export", str(tmp_path / "export"), "--json").document
    same(exported, tables(PAGE["headway export"])[""])


def test_an_error(shop: Terminal) -> None:
    answer = shop.call("logs", "99", "--json")
    shown = json.loads(next(block.text for block in blocks("json") if "error" in block.text))
    assert set(answer.document) == set(shown)
    assert set(answer.document["error"]) == set(shown["error"])
    assert answer.document["error"]["exit_code"] == answer.code == 2
