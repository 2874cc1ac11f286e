"""Facts for the metrics from stored deployments and a real repository."""

import os
import subprocess
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from headway.base.errors import WrongUse
from headway.dora.metric import MetricName
from headway.dora.metrics import Report
from headway.drivers.git import Git
from headway.engine.metrics.reports import delivery_report
from headway.store.database import Database
from tests.support.deliveries import K, S, Story, at
from tests.support.stored_deliveries import add_release, store


class Repository:
    """A real repository whose commits are made at chosen hours."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            **os.environ,
            "HOME": str(folder.parent),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "ana",
            "GIT_AUTHOR_EMAIL": "ana@example",
            "GIT_COMMITTER_NAME": "ana",
            "GIT_COMMITTER_EMAIL": "ana@example",
        }
        folder.mkdir()
        self._git("init", "-q", "-b", "main")

    def commit(self, hours: float) -> str:
        date = at(hours).isoformat()
        dates = {"GIT_AUTHOR_DATE": at(hours - 100).isoformat(), "GIT_COMMITTER_DATE": date}
        self._git("commit", "-q", "--allow-empty", "-m", f"at {hours}", **dates)
        return self._git("rev-parse", "HEAD")

    def _git(self, *arguments: str, **environment: str) -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.folder,
            env=self.environment | environment,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repo")


def report(
    database: Database,
    tmp_path: Path,
    now: float,
    *,
    service: str | None = "shop",
    environment: str | None = None,
) -> Report:
    git = Git(dict(os.environ) | {"HOME": str(tmp_path)}, tmp_path / "mirrors")
    since = timedelta(days=30)
    return delivery_report(database, git, service=service, environment=environment, since=since, now=at(now))


def lead_times(found: Report) -> list[tuple[str | None, float | None, str]]:
    metric = found[MetricName.LEAD_TIME]
    return [
        (row.commit, None if row.value is None else round(row.value / 3600, 2), row.counted.value)
        for row in metric.evidence
    ]


def at_commit(story: Story, commit: str) -> None:
    """The last deployment of the story is of this commit."""
    story.facts[-1] = replace(story.facts[-1], commit=commit)
    if story.facts[-1].state is S.SUCCEEDED:
        story.live = commit


def test_commits_that_nobody_recorded_are_found_with_git_and_kept(
    database: Database, tmp_path: Path, repository: Repository
) -> None:
    story = Story()
    story.add(0)
    at_commit(story, repository.commit(-3))
    second, third = repository.commit(4), repository.commit(6)
    story.add(10)
    at_commit(story, third)
    store(database, story.facts, repository=str(repository.folder), record=False)
    expected = {(second, 6.2, "yes"), (third, 4.2, "yes")}
    assert set(lead_times(report(database, tmp_path, 20))[1:]) == expected
    repository.folder.rename(tmp_path / "moved")
    assert set(lead_times(report(database, tmp_path, 20))[1:]) == expected


def test_a_repository_that_is_gone_is_said(database: Database, tmp_path: Path) -> None:
    story = Story()
    story.add(0)
    story.add(10)
    store(database, story.facts, repository=str(tmp_path / "gone"), record=False)
    metric = report(database, tmp_path, 20)[MetricName.LEAD_TIME]
    assert metric.details["deployments_with_unknown_commits"] == 1
    assert "there is no folder" in metric.evidence[-1].rule


def test_commits_of_a_newer_release_wait(database: Database, tmp_path: Path, repository: Repository) -> None:
    story = Story()
    story.add(0)
    at_commit(story, repository.commit(-1))
    newer = repository.commit(5)
    store(database, story.facts, repository=str(repository.folder))
    database.transact(lambda tx: add_release(tx, "shop", "rel-new", str(repository.folder), newer, at(6)))
    found = report(database, tmp_path, 20)
    assert lead_times(found)[-1] == (newer, 15.0, "censored")
    assert found[MetricName.LEAD_TIME].evidence[-1].rule == "waits: in release rel-new, not in production"


def test_staging_is_not_production(database: Database, tmp_path: Path) -> None:
    staging = Story(environment="staging")
    staging.add(0)
    store(database, staging.facts, production=False)
    production = report(database, tmp_path, 200)
    assert production[MetricName.FREQUENCY].reason == "no deployment to production is known"
    assert production[MetricName.REWORK_RATE].n == 0
    assert report(database, tmp_path, 200, environment="staging")[MetricName.REWORK_RATE].n == 1


def test_nothing_at_all_is_no_error_but_a_wrong_name_is(database: Database, tmp_path: Path) -> None:
    assert report(database, tmp_path, 20)[MetricName.FAIL_RATE].n == 0
    story = Story()
    story.add(0, kind=K.HOTFIX)
    store(database, story.facts)
    with pytest.raises(WrongUse, match="environment 'prod'") as caught:
        report(database, tmp_path, 20, environment="prod")
    assert caught.value.hint == "known are: production"
    with pytest.raises(WrongUse, match="service 'shpo'"):
        report(database, tmp_path, 20, service="shpo")


def test_a_rollback_and_a_redeploy_bring_no_commits(
    database: Database, tmp_path: Path, repository: Repository
) -> None:
    old, new = repository.commit(-3), repository.commit(4)
    story = Story()
    story.add(0)
    at_commit(story, old)
    story.add(10)
    at_commit(story, new)
    story.rollback(12, "r1")
    at_commit(story, old)
    story.add(14, kind=K.REDEPLOY, release="r1")
    at_commit(story, old)
    story.add(20, release="r2")
    at_commit(story, new)
    store(database, story.facts, repository=str(repository.folder), record=False)
    assert lead_times(report(database, tmp_path, 30))[1:] == [(new, 16.2, "yes")]


def test_a_release_before_that_is_not_known_here_is_no_first_deployment(
    database: Database, tmp_path: Path, repository: Repository
) -> None:
    story = Story()
    story.add(0)
    at_commit(story, repository.commit(-1))
    store(database, story.facts, repository=str(repository.folder), record=False)
    database.transact(lambda tx: tx.execute("UPDATE deployments SET previous_release = 'rel-elsewhere'"))
    [row] = report(database, tmp_path, 20)[MetricName.LEAD_TIME].evidence
    assert (
        row.rule
        == "its commits are not known: the release rel-elsewhere that was live before is not known here"
    )
