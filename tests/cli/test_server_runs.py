"""`run`, `logs`, `release`, `status` and `metrics` on a server: the same words, shapes and exit codes as on this machine."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from headway.domain.people import Scope
from tests.docs.shapes import PAGE, Table, inline, same, tables
from tests.support.repositories import Repository
from tests.support.served_shop import ServedShop, served_shop
from tests.support.sshd import needs_sshd

pytestmark = needs_sshd


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedShop]:
    with served_shop(tmp_path_factory.mktemp("shop")) as found:
        found.push("first")
        yield found


@pytest.fixture(autouse=True)
def clean(shop: ServedShop) -> Iterator[None]:
    yield
    shop.work.git("reset", "-q", "--hard")
    shop.work.git("clean", "-fdq")


@pytest.mark.slow
def test_a_clean_commit_runs_as_the_commit_that_the_server_has(shop: ServedShop) -> None:
    answer = shop.call("run")
    assert answer.code == 0, answer
    assert f"(main@{shop.work.git('rev-parse', 'HEAD').stdout[:10]}) on {shop.server.url}" in answer.complaint
    assert "image |" in answer.text and "| built" in answer.text
    assert "test  | ==> succeeded" in answer.text
    assert re.search(r"run \d+ of shop succeeded in ", answer.text)
    # It is the same release again: what was deployed of it stays known.
    head = shop.work.git("rev-parse", "HEAD").stdout.strip()
    built = [
        found["id"] for found in shop.json("release")["releases"] if found["commit"] == head and found["run"]
    ]
    assert len(built) == 1 and built[0] in answer.text


@pytest.mark.slow
def test_a_commit_that_was_run_before_is_run_anew_unless_its_run_is_to_be_repeated(shop: ServedShop) -> None:
    first = shop.json("run")["run"]
    anew = shop.json("run")["run"]
    assert anew["number"] == first["number"] + 1
    assert (anew["trigger"]["event"], anew["trigger"]["rerun_of"]) == ("manual", None)
    again = shop.json("run", "--rerun")["run"]
    assert (again["trigger"]["event"], again["trigger"]["rerun_of"]) == ("rerun", anew["id"])
    for words in (("--rerun", "--job", "test"), ("--rerun", "--parameter", "a=b")):
        assert shop.call("run", *words).code == 2
    (shop.work.folder / "new").write_text("")
    assert "were never run on" in shop.call("run", "--rerun").complaint


@pytest.mark.slow
def test_check_names_what_the_server_does_not_hand_to_jobs(shop: ServedShop) -> None:
    file = shop.work.folder / "headway.toml"
    file.write_text(file.read_text() + '[jobs.native]\nrun = "true"\npass_env = ["GOPROXY", "JAVA_HOME"]\n')
    answer = shop.call("check")
    assert answer.code == 0, answer
    assert (
        f"named in pass_env, but not handed out by {shop.server.url} (its HEADWAY_JOB_VARIABLES names what is):\n"
        "  GOPROXY    jobs: native\n"
        "  JAVA_HOME  jobs: native\n"
    ) in answer.text
    assert shop.json("check")["withheld"] == {
        "server": shop.server.url,
        "variables": {"GOPROXY": ["native"], "JAVA_HOME": ["native"]},
    }
    # On this machine a job gets what is set here.
    local = shop.call("check", "--local", "--json")
    assert (local.document["withheld"], local.complaint) == (None, "")
    # The file is right whether the server can be asked or not.
    for more, said in (
        ({"HEADWAY_TOKEN": "hw_wrong"}, "token"),
        ({"HEADWAY_SERVER": "http://127.0.0.1:1"}, "reach"),
    ):
        unanswered = shop.call("check", "--json", **more)
        assert (unanswered.code, unanswered.document["withheld"]) == (0, None)
        assert "pass_env: the server could not be asked what it hands out: " in unanswered.complaint
        assert said in unanswered.complaint


@pytest.mark.slow
def test_what_nobody_declares_is_wrong_use_there_too(shop: ServedShop) -> None:
    """A clean commit and a try alike; no run is made of it."""
    last = shop.json("logs", "last")["run"]["number"]
    for _ in range(2):
        for words, said in {
            ("--job", "nosuch"): "'nosuch' is no job",
            ("--parameter", "no=such"): "'no' is no parameter",
        }.items():
            answer = shop.call("run", "--server", *words)
            assert (answer.code, said in answer.complaint) == (2, True), answer
        (shop.work.folder / "new").write_text("")
    assert shop.json("logs", "last")["run"]["number"] == last


@pytest.mark.slow
def test_its_documents_are_those_of_a_run_here(shop: ServedShop) -> None:
    of_run = tables(PAGE["headway run"])
    document = shop.json("run")
    same(document, of_run[""])
    same(document["run"], of_run["RUN"])
    for job in document["jobs"]:
        same(job, of_run["JOB"])
    logs, of_logs = shop.json("logs", "last"), tables(PAGE["headway logs"])[""]
    same(logs, Table({key: said for key, said in of_logs.items() if "[]" not in key}))
    more = {key.removeprefix("jobs[]."): said for key, said in of_logs.items() if "[]" in key}
    for job in logs["jobs"]:
        same(job, Table({**of_run["JOB"], **more}))
        assert {key for step in job["steps"] for key in step} == inline(more["steps"])
        assert job["log"].startswith(f"{shop.server.url}/api/jobs/")


def test_uncommitted_changes_are_tried_there(shop: ServedShop) -> None:
    (shop.work.folder / "bad").write_text("")
    answer = shop.call("run", "--server", "--job", "test")
    assert answer.code == 1, answer
    assert "with its uncommitted changes" in answer.complaint
    assert "run" in answer.text and "of shop failed in" in answer.text
    assert "headway logs" in answer.text
    # The tree here is as it was.
    assert shop.work.git("status", "--porcelain").stdout == "?? bad\n"
    last = shop.json("logs", "last")["run"]
    assert (last["dirty"], last["release"], last["trigger"]["event"]) == (True, None, "try")


@pytest.mark.slow
def test_a_commit_that_was_not_pushed_is_tried(shop: ServedShop) -> None:
    shop.work.commit({"page": "never pushed"})
    try:
        document = shop.json("run", "--job", "test")
        assert (document["run"]["state"], document["run"]["dirty"]) == ("succeeded", False)
        assert document["run"]["release"] is None
    finally:
        shop.work.git("reset", "-q", "--hard", "HEAD^")


@pytest.mark.slow
def test_logs(shop: ServedShop) -> None:
    listed = shop.call("logs")
    assert listed.text.splitlines()[0].split() == [
        "run",
        "state",
        "commit",
        "branch",
        "began",
        "took",
        "reason",
    ]
    assert shop.call("logs", "1", "image").output == b"built\n"
    assert shop.call("logs", "1", "image", "--step", "1").output == b"built\n"
    both = shop.call("logs", "1").text
    assert "==> image  succeeded\nbuilt\n" in both and "==> test  succeeded\ntesting\n" in both
    followed = shop.call("logs", "1", "--follow")
    assert followed.code == 0 and "| testing" in followed.text
    for words, said in {
        ("logs", "99"): "shop has no run 99",
        ("logs", "1", "tset"): "did you mean 'test'?",
        ("logs", "1", "image", "--step", "7"): "'image' has no step 7 that ran",
        ("logs", "1", "image", "--attempt", "3"): "'image' has 1 attempts",
    }.items():
        answer = shop.call(*words)
        assert (answer.code, said in answer.complaint) == (2, True), answer


def test_a_run_is_cancelled(shop: ServedShop) -> None:
    answer = shop.call("run", "--cancel", "1")
    assert answer.code == 2
    assert "run 1 of shop has ended already: succeeded" in answer.complaint


@pytest.mark.slow
def test_releases(shop: ServedShop) -> None:
    listed = shop.call("release")
    assert listed.text.splitlines()[0].split()[:2] == ["RELEASE", "COMMIT"]
    of_release = tables(PAGE["headway release"])["RELEASE"]
    for name in ("HEAD", "main", shop.json("release")["releases"][0]["id"]):
        shown = shop.json("release", "show", name)["release"]
        same(shown, of_release)
        assert shown["artifacts"][0]["path"] == "dist/shop.tar.gz"
    (shop.work.folder / "dist").mkdir()
    (shop.work.folder / "dist/shop.tar.gz").write_bytes(b"built elsewhere")
    added = shop.json("release", "add", "--commit", "HEAD", "dist/shop.tar.gz")["release"]
    assert (added["run"], added["artifacts"][0]["size"]) == (None, 15)
    assert shop.call("release", "show", "nothing").code == 2


@pytest.mark.slow
def test_status_and_metrics(shop: ServedShop) -> None:
    assert "nothing was deployed yet" in shop.call("status").text
    document = shop.json("status")
    assert set(document) == {"service", "environments", "runs", "requests"}
    assert shop.call("status", "nowhere").code == 2
    metrics = shop.json("metrics", "--explain", "lead-time")
    assert set(metrics["metrics"]) == {
        "lead_time",
        "frequency",
        "fail_rate",
        "recovery_time",
        "rework_rate",
    }
    for metric in metrics["metrics"].values():
        same(metric, tables(PAGE["headway metrics"])["METRIC"])
    assert shop.call("metrics").text.startswith("shop, to production, last 90d")


@pytest.mark.slow
def test_what_keeps_one_from_a_server_is_said(shop: ServedShop, tmp_path: Path) -> None:
    other = Repository(tmp_path / "other")
    other.commit({"headway.toml": 'contract = 1\n[service]\nname = "other"\n[jobs.test]\nrun = "true"\n'})
    unknown = shop.call("run", folder=other.folder)
    assert unknown.code == 2
    assert "no repository on this server declares the service 'other'" in unknown.complaint
    assert "headway repository add" in unknown.complaint
    assert shop.call("status", folder=other.folder).code == 2
    assert shop.call("run", "--local", folder=other.folder).code == 0

    nobody = shop.call("status", HEADWAY_TOKEN="")
    assert nobody.code == 2 and "token" in nobody.complaint
    reader = shop.call("run", HEADWAY_TOKEN=shop.server.token(Scope.READ))
    assert reader.code == 2 and "'run'" in reader.complaint
    gone = shop.call("status", HEADWAY_SERVER="http://127.0.0.1:9")
    assert gone.code == 3 and "is not reached" in gone.complaint
    unsafe = shop.call("status", HEADWAY_SERVER="http://headway.example.org")
    assert unsafe.code == 2 and "could be read by others" in unsafe.complaint
    document = shop.call("status", "--json", HEADWAY_TOKEN="hw_wrong").document
    assert document["error"]["exit_code"] == 2


def test_a_token_in_a_file_that_only_its_owner_reads(shop: ServedShop, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{shop.token}\n")
    file.chmod(0o600)
    assert shop.call("status", HEADWAY_TOKEN="", HEADWAY_TOKEN_FILE=str(file)).code == 0
    file.chmod(0o644)
    open_to_all = shop.call("status", HEADWAY_TOKEN="", HEADWAY_TOKEN_FILE=str(file))
    assert open_to_all.code == 2 and "chmod 600" in open_to_all.complaint


@pytest.mark.slow
def test_on_the_folder_of_a_server_its_socket_is_spoken_to(shop: ServedShop) -> None:
    here = {"HEADWAY_SERVER": "", "HEADWAY_TOKEN": "", "HEADWAY_DATA": str(shop.server.data)}
    answer = shop.call("run", "--job", "test", **here)
    assert answer.code == 0, answer
    assert f"on {shop.server.url}" in answer.complaint
    assert shop.call("status", **here).code == 0
    nowhere = shop.call("run", "--server", HEADWAY_SERVER="", HEADWAY_TOKEN="")
    assert nowhere.code == 2 and "headway up" in nowhere.complaint
