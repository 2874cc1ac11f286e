"""What is kept and what goes."""

import itertools
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from headway.base.errors import WrongUse
from headway.domain.deployment import Deployment, DeploymentKind, DeploymentState
from headway.domain.release import Artifact, Release, release_id
from headway.domain.run import Job, Run
from headway.domain.states import State
from headway.drivers.artifacts import ArtifactStore
from headway.engine.janitor.retention import rules_from, tidy, tidy_logs
from headway.engine.releases.releases import store_release
from headway.engine.settings import Settings
from headway.pipeline.retention import Rules
from headway.store.bulk import insert_rows
from headway.store.database import Database
from headway.store.deployments import insert_deployment
from headway.store.job_results import put_artifacts
from headway.store.jobs import add_jobs
from headway.store.releases import get_release, put_release
from headway.store.runs import add_run
from tests.support.settings import settings_in

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
DAY = timedelta(days=1)
_numbers = itertools.count(1)


def test_ages_can_be_set(tmp_path: Path) -> None:
    assert rules_from(settings_in(tmp_path)) == Rules()
    rules = rules_from(settings_in(tmp_path, HEADWAY_KEEP_RELEASES="90d", HEADWAY_KEEP_LOGS="12h"))
    assert (rules.releases, rules.logs) == (90 * DAY, DAY / 2)
    with pytest.raises(WrongUse, match="HEADWAY_KEEP_LOGS is 'for ever', which is no duration"):
        rules_from(settings_in(tmp_path, HEADWAY_KEEP_LOGS="for ever"))


# The whole, on a database and a data folder


class Place:
    """A data folder with releases, runs and logs whose ages the test says. Everything goes after 30 days."""

    rules = Rules(releases_kept=1, logs=30 * DAY, every=timedelta())

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database = database
        self.settings = settings
        self.store = ArtifactStore(settings.artifacts)
        # Bytes get their age from the machine's clock, so the story is told around the present.
        self.now = datetime.now(UTC).replace(microsecond=0)

    def artifact(self, content: str, *, age: int) -> Artifact:
        source = self.settings.data / "source"
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_text(content)
        artifact = self.store.keep(source, "dist/a")
        self.grow_old(artifact, age)
        return artifact

    def grow_old(self, artifact: Artifact, age: int) -> None:
        at = (self.now - age * DAY).timestamp()
        os.utime(self.store.path_of(artifact), (at, at))

    def release(
        self, *artifacts: Artifact, age: int, commit: str = "a" * 40, service: str = "shop"
    ) -> Release:
        at = self.now - age * DAY
        identity = release_id(service, commit, artifacts)
        release = Release(identity, service, "/src/shop", commit, artifacts, at, "ana@laptop")
        return self.database.transact(lambda tx: put_release(tx, release, now=at))

    def deployment(
        self, release: str, state: DeploymentState, *, age: int, previous: str | None = None
    ) -> None:
        deployment = Deployment(
            id=f"dep-{age}", number=age, service="shop", repository="/src/shop", environment="production",
            production=True, release=release, commit="a" * 40, previous_release=previous,
            kind=DeploymentKind.PLANNED, state=state, reason="", requested_by="ana@laptop",
            requested_at=self.now - age * DAY,
        )  # fmt: skip
        self.database.transact(lambda tx: insert_deployment(tx, deployment, [], 1))

    def run(self, name: str, state: State, *, artifact: Artifact | None = None) -> None:
        run = Run(
            id=f"run-{name}", number=next(_numbers), service="shop", repository="/src/shop", commit=name * 4, tree="t",
            dirty=False, branch=None, state=state, reason="", created_at=self.now,
        )  # fmt: skip
        job = Job(
            id=f"job-{name}", run=run.id, name="build", definition="build", matrix={}, needs=(), state=state,
            reason="", attempt=1, allow_failure=False, queued_at=self.now,
        )  # fmt: skip
        self.database.transact(lambda tx: add_run(tx, run, plan="{}", token=1))
        self.database.transact(lambda tx: add_jobs(tx, [job]))
        if artifact is not None:
            self.database.transact(lambda tx: put_artifacts(tx, job.id, [artifact]))

    def folder(self, parent: str, name: str, *, age: int) -> Path:
        path = self.settings.data / parent / name
        path.mkdir(parents=True)
        (path / "log").write_text("line\n")
        at = (self.now - age * DAY).timestamp()
        for each in (path / "log", path):
            os.utime(each, (at, at))
        return path

    def stands(self, release: Release) -> bool:
        found = self.database.read(lambda tx: get_release(tx, release.id))
        assert found is not None
        return found.removed_at is None

    def tidy(self) -> Callable[[Artifact], bool]:
        """Tidies; answers with whether an artifact's bytes are there."""
        assert tidy(self.database, self.settings, self.now, self.rules) is not None
        digests = set(self.store.digests())
        return lambda artifact: artifact.sha256 in digests


@pytest.fixture
def place(database: Database, tmp_path: Path) -> Place:
    return Place(database, settings_in(tmp_path))


def test_an_old_release_goes_with_its_bytes_and_leaves_its_row(place: Place) -> None:
    old, new = place.artifact("old", age=40), place.artifact("new", age=1)
    gone, kept = place.release(old, age=40), place.release(new, age=1)
    there = place.tidy()
    assert (place.stands(gone), place.stands(kept)) == (False, True)
    assert (there(old), there(new)) == (False, True)
    row = place.database.read(lambda tx: get_release(tx, gone.id))
    assert row is not None
    assert row.artifacts == gone.artifacts


def test_bytes_that_another_release_uses_stay(place: Place) -> None:
    shared = place.artifact("shared", age=40)
    gone = place.release(shared, age=40, commit="a" * 40)
    place.release(shared, age=1, commit="b" * 40)
    assert place.tidy()(shared)
    assert not place.stands(gone)


@pytest.mark.parametrize("state", list(DeploymentState))
def test_what_the_last_deployments_brought_or_found_stays(place: Place, state: DeploymentState) -> None:
    """Stopped anywhere, a deployment leaves hosts on its release or on the one before."""
    releases = [place.release(place.artifact(str(age), age=age), age=age) for age in (90, 80, 70, 60, 50)]
    forgotten, before, live, brought, latest = releases
    place.deployment(forgotten.id, DeploymentState.SUCCEEDED, age=89)
    place.deployment(before.id, DeploymentState.SUCCEEDED, age=79, previous=forgotten.id)
    place.deployment(live.id, DeploymentState.SUCCEEDED, age=69, previous=before.id)
    place.deployment(brought.id, state, age=59, previous=live.id)
    place.tidy()
    assert [place.stands(release) for release in (live, brought, latest)] == [True, True, True]
    assert place.stands(before) or state is DeploymentState.SUCCEEDED


def test_what_is_live_stays_however_old_it_is(place: Place) -> None:
    old = place.artifact("old", age=400)
    live = place.release(old, age=400)
    place.deployment(live.id, DeploymentState.SUCCEEDED, age=399)
    place.release(age=1)
    assert place.tidy()(old)
    assert place.stands(live)


@pytest.mark.parametrize("state", list(State))
def test_bytes_of_a_run_stay_until_it_has_ended(place: Place, state: State) -> None:
    made = place.artifact("made", age=8)
    place.run("x", state, artifact=made)
    assert place.tidy()(made) is not state.is_final


def test_young_bytes_that_nobody_names_yet_stay(place: Place) -> None:
    made = place.artifact("made", age=0)
    assert place.tidy()(made)


def test_a_release_made_while_bytes_go_keeps_them(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process makes a release of old bytes just after the decision, before they are removed."""
    made = place.artifact("made long ago", age=40)
    other = place.artifact("nobody's", age=40)
    original = ArtifactStore.digests

    def meanwhile(store: ArtifactStore):  # type: ignore[no-untyped-def]
        digests = list(original(store))
        release = Release(
            release_id("shop", "b" * 40, [made]), "shop", "/src", "b" * 40, (made,), place.now, "bo"
        )
        place.database.transact(lambda tx: store_release(tx, store, release, now=place.now))
        return digests

    monkeypatch.setattr(ArtifactStore, "digests", meanwhile)
    tidy(place.database, place.settings, place.now, place.rules)
    monkeypatch.undo()
    assert set(place.store.digests()) == {made.sha256}
    assert other.sha256 != made.sha256


def test_the_same_content_brings_a_removed_release_back(place: Place) -> None:
    old = place.artifact("old", age=40)
    gone = place.release(old, age=40)
    place.release(age=1)
    place.tidy()
    again = place.artifact("old", age=0)
    back = replace(gone, created_at=place.now)
    place.database.transact(lambda tx: store_release(tx, place.store, back, now=place.now))
    assert place.tidy()(again)
    assert place.stands(gone)


def test_logs_and_job_folders_go_when_their_run_has_ended(place: Place) -> None:
    place.run("going", State.RUNNING)
    place.run("ended", State.SUCCEEDED)
    kept = [
        place.folder("logs", "run-going", age=90),
        place.folder("jobs", "job-going.1", age=90),
        place.folder("logs", "run-young", age=29),
    ]
    gone = [
        place.folder("logs", "run-ended", age=31),
        place.folder("logs", "run-unknown", age=31),
        place.folder("jobs", "job-ended.2", age=2),
    ]
    place.tidy()
    assert [path.exists() for path in kept] == [True] * 3
    assert [path.exists() for path in gone] == [False] * 3


def test_what_stands_at_a_gate_stays(place: Place) -> None:
    wished = place.release(place.artifact("wished", age=90), age=90)
    place.release(age=1)
    values: dict[str, object] = dict.fromkeys(
        [
            "kind",
            "requested_by",
            "origin",
            "cause",
            "state",
            "reason",
            "obstacles",
            "commit_sha",
            "repository",
        ],
        "",
    )
    values |= {"kind": "planned", "origin": "person", "state": "waiting", "id": "req-1", "service": "shop"}
    values |= {
        "environment": "production",
        "release_id": wished.id,
        "force": 0,
        "requested_at": 0,
        "expires_at": 0,
    }
    place.database.transact(lambda tx: insert_rows(tx, "requests", [values]))
    place.tidy()
    assert place.stands(wished)


def test_it_stops_when_it_has_done_enough_and_goes_on_later(place: Place) -> None:
    for number in range(4):
        place.folder("logs", f"run-{number}", age=31)
    asked = iter([False, False, True])
    first = tidy_logs(place.database, place.settings, place.now, place.rules, lambda: next(asked))
    second = tidy_logs(place.database, place.settings, place.now, place.rules)
    assert [(each.logs, each.more) for each in (first, second)] == [(2, True), (2, False)]
    assert (first + second).logs == 4


def test_it_is_done_once_in_a_while(place: Place) -> None:
    rules = replace(place.rules, every=timedelta(hours=1))
    assert tidy(place.database, place.settings, place.now, rules) is not None
    assert tidy(place.database, place.settings, place.now, rules) is None
    assert tidy(place.database, place.settings, place.now + timedelta(hours=1), rules) is not None


def test_it_says_what_went(place: Place) -> None:
    old = place.release(place.artifact("12345", age=40), age=40)
    place.release(age=1)
    place.folder("logs", "run-x", age=31)
    told = tidy(place.database, place.settings, place.now, place.rules)
    assert told is not None
    assert (told.releases, told.artifacts, told.artifact_bytes, told.logs, told.jobs) == (
        (old.id,),
        1,
        5,
        1,
        0,
    )
