"""`headway metrics` on a filled database, both kinds."""

import json
import os
import random
import time
from pathlib import Path

import pytest

from headway.base.clock import SystemClock
from headway.cli.root import run_command_line
from headway.engine.settings import Settings
from headway.store.database import Database, open_database
from tests.support.deliveries import START, K, S, Story
from tests.support.stored_deliveries import store

NOW = (SystemClock().now() - START).total_seconds() / 3600


@pytest.fixture
def metrics(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    settings = Settings(tmp_path, database_url, "ana@laptop", dict(os.environ))

    def run(*arguments: str) -> tuple[int, str, str]:
        code = run_command_line(["metrics", *arguments], lambda: settings)
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return run


def filled(database_url: str) -> None:
    """Eight weeks: a deployment a week, one rolled back by a person, one taken back by itself and repaired."""
    story = Story()
    story.add(NOW - 9 * 168)
    for week in range(8, 0, -1):
        when = NOW - week * 168
        story.add(when, commits=[when - 30.0, when - 10.0 - week])
        if week == 5:
            story.rollback(when + 3, "r4")
    story.add(NOW - 100, state=S.ROLLED_BACK, commits=[NOW - 110])
    story.add(NOW - 98, kind=K.HOTFIX, commits=[NOW - 110, NOW - 99], shas=["r11-0", "fix"])
    with open_database(database_url) as database:
        store(database, story.facts)


def test_where_nothing_was_deployed_that_is_told(metrics, database_url: str) -> None:  # type: ignore[no-untyped-def]
    open_database(database_url).close()
    code, out, err = metrics()
    assert (code, err) == (0, "")
    assert "no commit has reached production in this time" in out
    assert "no deployment to production is known" in out


def test_the_picture_of_some_weeks(metrics, database_url: str) -> None:  # type: ignore[no-untyped-def]
    filled(database_url)
    code, out, _ = metrics()
    assert code == 0
    assert out.startswith("all services, to production, last 90d\n")
    assert "change fail rate                 18.2 %  [5.1 %, 47.7 %]\n  2 of 11 mature deployments\n" in out
    assert "10 deployments in 63d" in out
    assert "1 rollback apart, 1 not succeeded" in out
    assert "too little data: 2 failures, 6 needed for an interval" in out
    assert "values: 12m, 3h12m" in out
    assert "deployment rework rate" in out


def test_json_has_the_documented_shape(metrics, database_url: str) -> None:  # type: ignore[no-untyped-def]
    filled(database_url)
    code, out, _ = metrics("--json", "--since", "12w")
    document = json.loads(out)
    assert code == 0
    assert set(document) == {"service", "environment", "since", "until", "watched_since", "weeks", "metrics"}
    assert list(document["metrics"]) == [
        "lead_time",
        "frequency",
        "fail_rate",
        "recovery_time",
        "rework_rate",
    ]
    keys = {"value", "unit", "interval", "n", "events", "reason", "basis", "raw", "details"}
    assert all(set(metric) == keys for metric in document["metrics"].values())
    rate = document["metrics"]["fail_rate"]
    assert (rate["value"], rate["events"], rate["n"], rate["unit"]) == (2 / 11, 2, 11, "share")
    assert rate["interval"]["method"] == "Wilson"
    assert document["metrics"]["recovery_time"]["raw"] == [
        {"seconds": pytest.approx(720, abs=1), "over": True},
        {"seconds": pytest.approx(11520, abs=1), "over": True},
    ]
    assert sum(week["deployments"] for week in document["weeks"]) == 10


def test_every_row_behind_a_number_and_its_rule(metrics, database_url: str) -> None:  # type: ignore[no-untyped-def]
    filled(database_url)
    code, out, _ = metrics("--explain", "fail-rate")
    assert code == 0
    assert "taken back by rollback 6" in out
    assert "taken back by itself" in out
    rows = json.loads(metrics("--explain", "lead-time", "--json")[1])["explain"]
    assert rows["metric"] == "lead_time"
    assert {row["commit"]: row["deployment"] for row in rows["rows"]}["r11-0"] == 12
    # The two commits of the rolled back release came with no later deployment: they wait.
    assert [row["commit"] for row in rows["rows"] if row["counted"] == "censored"] == ["r5-0", "r5-1"]


@pytest.mark.parametrize("since", ["", "soon", "0s", "-3d", "99999999999999d"])
def test_a_time_that_is_none_is_wrong_use(metrics, since: str) -> None:  # type: ignore[no-untyped-def]
    code, _, err = metrics("--since", since)
    assert code == 2
    assert "Invalid value for '--since'" in err


def test_a_metric_that_is_none_is_wrong_use(metrics) -> None:  # type: ignore[no-untyped-def]
    code, _, err = metrics("--explain", "mttr")
    assert code == 2
    assert "lead-time" in err


def test_an_environment_that_is_none_is_wrong_use(metrics, database_url: str) -> None:  # type: ignore[no-untyped-def]
    filled(database_url)
    code, out, err = metrics("--environment", "prod", "--json")
    assert code == 2
    assert json.loads(out)["error"]["hint"] == "known are: production"
    assert "nothing was ever deployed to an environment 'prod'" in err


def test_a_very_long_time_is_since_the_beginning(metrics, database_url: str) -> None:  # type: ignore[no-untyped-def]
    filled(database_url)
    code, out, _ = metrics("--since", "36500d", "--json")
    assert code == 0
    assert json.loads(out)["since"] == "1970-01-01T00:00:00.000Z"


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_thousands_of_deployments_stay_fast(metrics, database: Database) -> None:  # type: ignore[no-untyped-def]
    dice = random.Random(5)
    story, when = Story(), NOW - 1000
    while len(story.facts) < 2_000:
        when += 0.19
        lot = dice.random()
        state = S.ROLLED_BACK if lot < 0.1 else S.SUCCEEDED
        commits = [when - dice.uniform(1, 50) for _ in range(2)] if story.facts else []
        story.add(when, state=state, kind=K.HOTFIX if lot > 0.9 else K.PLANNED, commits=commits)
    store(database, story.facts)
    begin = time.process_time()
    code, out, _ = metrics("--json")
    took = time.process_time() - begin
    print(f"headway metrics over 2,000 deployments: {took:.2f} s")
    assert code == 0
    assert json.loads(out)["metrics"]["fail_rate"]["n"] > 1900
    assert took < 3
