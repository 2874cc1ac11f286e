"""Releases: made from runs and from files, and found by what people type."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from headway.domain.contract import DeployKind, DeploySpec
from headway.domain.deployment import DeploymentState
from headway.domain.release import Artifact, Release, release_id
from headway.domain.run import Run
from headway.domain.states import State
from headway.drivers.artifacts import ArtifactGone, ArtifactStore
from headway.drivers.git import Git, UnknownCommit
from headway.engine.releases.releases import (
    Aim,
    AmbiguousRelease,
    ArtifactNotThere,
    DirtyRelease,
    Found,
    NoReleaseYet,
    ReleaseGone,
    UnknownRelease,
    add_release,
    artifacts_for_release,
    compose_release,
    find_for,
    find_release,
    hold_release,
    list_releases,
    name_files,
    store_release,
)
from headway.store.database import Database
from headway.store.deployments import insert_deployment
from headway.store.releases import get_release, mark_removed, put_release
from tests.deploy.examples import deployment
from tests.support.repositories import Repository
from tests.support.settings import settings_in

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
DAY = timedelta(days=1)
ONE, TWO = Artifact("dist/a", "1" * 64, 10), Artifact("dist/b", "2" * 64, 20)


def run_of(commit: str, repository: str = "/src/shop", *, dirty: bool = False) -> Run:
    return Run(
        id="run-1",
        number=1,
        service="shop",
        repository=repository,
        commit=commit,
        tree="t" * 40,
        dirty=dirty,
        branch="main",
        state=State.SUCCEEDED,
        reason="",
        created_at=NOW,
    )


# The id


def test_the_id_follows_from_the_content() -> None:
    made = release_id("shop", "a" * 40, [ONE, TWO])
    assert made == release_id("shop", "a" * 40, [TWO, ONE])
    assert made.startswith("rel-")
    assert len(made) == 36
    others = [
        release_id("mail", "a" * 40, [ONE, TWO]),
        release_id("shop", "b" * 40, [ONE, TWO]),
        release_id("shop", "a" * 40, [ONE]),
        release_id("shop", "a" * 40, [ONE, replace(TWO, executable=True)]),
        release_id("shop", "a" * 40, [ONE, replace(TWO, path="dist/c")]),
        release_id("shop", "a" * 40, [ONE, replace(TWO, sha256="3" * 64)]),
    ]
    assert len({made, *others}) == 7


def test_the_id_never_changes_between_versions() -> None:
    assert release_id("shop", "a" * 40, [ONE]) == "rel-5fe40cee0fcc21458e09970ecb7ff75a"


@pytest.mark.parametrize(
    ("artifact", "chosen"), [("dist/a", (ONE,)), ("dist/gone", None), (None, (ONE, TWO))]
)
def test_what_of_a_run_makes_the_release(artifact: str | None, chosen: tuple[Artifact, ...] | None) -> None:
    deploy = DeploySpec(kind=DeployKind.FILES, processes=(), artifact=artifact)
    assert artifacts_for_release(deploy, [ONE, TWO]) == chosen
    assert artifacts_for_release(None, [ONE, TWO]) is None


# From a run


def made_of(
    database: Database, store: ArtifactStore, run: Run, artifacts: list[Artifact], *, by: str = "ana@laptop"
) -> Release:
    release = compose_release(run, artifacts, by=by, now=NOW)
    return database.transact(lambda tx: store_release(tx, store, release, now=NOW))


def test_a_run_makes_a_release_once(database: Database, tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path / "artifacts")
    (tmp_path / "file").write_text("x")
    artifact = store.keep(tmp_path / "file", "dist/a")
    run = run_of("a" * 40)
    first = made_of(database, store, run, [artifact])
    again = made_of(database, store, run, [artifact], by="bo@server")
    assert first == again == database.read(lambda tx: get_release(tx, first.id))
    assert (first.run, first.created_by, first.artifacts) == ("run-1", "ana@laptop", (artifact,))


def test_a_dirty_tree_cannot_be_released(database: Database, tmp_path: Path) -> None:
    with pytest.raises(DirtyRelease, match="uncommitted changes") as caught:
        made_of(database, ArtifactStore(tmp_path), run_of("a" * 40, dirty=True), [])
    assert caught.value.exit_code == 2


def test_no_release_without_its_bytes(database: Database, tmp_path: Path) -> None:
    with pytest.raises(ArtifactGone):
        made_of(database, ArtifactStore(tmp_path), run_of("a" * 40), [ONE])
    assert database.read(lambda tx: get_release(tx, release_id("shop", "a" * 40, [ONE]))) is None


# What another system built


def test_files_are_added_for_a_commit(database: Database, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "shop")
    sha = repository.commit({"a": "1"}, "Add a")
    (tmp_path / "built").write_text("bytes")
    settings = settings_in(tmp_path)
    release = add_release(
        database, settings, service="shop", repository=repository.folder, commit="main",
        files={"dist/shop": tmp_path / "built"}, now=NOW,
    )  # fmt: skip
    assert (release.commit, release.run, release.created_by) == (sha, None, "ana@laptop")
    assert ArtifactStore(settings.artifacts).verified(release.artifacts[0]).read_text() == "bytes"
    [view] = list_releases(database, "shop", limit=5)
    assert view.commit is not None
    assert (view.release, view.commit.subject, view.run_number, view.live_in) == (release, "Add a", None, ())


@pytest.mark.parametrize(
    ("commit", "file", "error"), [("nowhere", "built", UnknownCommit), ("HEAD", "missing", ArtifactNotThere)]
)
def test_what_is_not_there_cannot_be_added(
    database: Database, tmp_path: Path, commit: str, file: str, error: type[Exception]
) -> None:
    repository = Repository(tmp_path / "shop")
    repository.commit({"a": "1"})
    (tmp_path / "built").write_text("bytes")
    with pytest.raises(error):
        add_release(
            database, settings_in(tmp_path), service="shop", repository=repository.folder, commit=commit,
            files={"x": tmp_path / file}, now=NOW,
        )  # fmt: skip
    assert list_releases(database, "shop", limit=5) == []


@pytest.mark.parametrize(
    ("words", "artifact", "named"),
    [
        (["dist/a"], None, {"sub/dist/a": "top/sub/dist/a"}),
        (["../x"], None, {"x": "top/x"}),
        (["/elsewhere/x.tar"], None, {"x.tar": "/elsewhere/x.tar"}),
        (["/elsewhere/x.tar"], "dist/x.tar", {"dist/x.tar": "/elsewhere/x.tar"}),
        (
            ["dist/x.tar=/elsewhere/y", "more"],
            "dist/x.tar",
            {"dist/x.tar": "/elsewhere/y", "sub/more": "top/sub/more"},
        ),
        (["odd=name"], None, {"sub/odd=name": "top/sub/odd=name"}),
    ],
)
def test_how_files_are_named(
    tmp_path: Path, words: list[str], artifact: str | None, named: dict[str, str]
) -> None:
    root, here = tmp_path / "top", tmp_path / "top/sub"
    here.mkdir(parents=True)
    (here / "odd=name").touch()
    found = name_files(words, here=here, root=root, artifact=artifact)
    assert found == {path: tmp_path / file for path, file in named.items()}


@pytest.mark.parametrize(
    ("words", "artifact", "message"),
    [
        (["a"], "dist/x.tar", "deploys the artifact 'dist/x.tar', and none of the files is it"),
        (["x=a", "x=b"], None, "would both be the artifact 'x'"),
        (["../x=a"], None, "leaves the release"),
        (["/x=a"], None, "leaves the release"),
    ],
)
def test_files_that_cannot_be_named(
    tmp_path: Path, words: list[str], artifact: str | None, message: str
) -> None:
    with pytest.raises(ArtifactNotThere, match=message):
        name_files(words, here=tmp_path, root=tmp_path, artifact=artifact)


# Finding


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "shop")


@pytest.fixture
def git(tmp_path: Path) -> Git:
    return Git(settings_in(tmp_path).environment, tmp_path / "mirrors")


def stored(database: Database, commit: str, *artifacts: Artifact, at: datetime = NOW) -> Release:
    release = Release(
        release_id("shop", commit, artifacts), "shop", "/src/shop", commit, artifacts, at, "ana@laptop"
    )
    return database.transact(lambda tx: put_release(tx, release, now=at))


def test_a_release_has_many_names(database: Database, repository: Repository, git: Git) -> None:
    sha = repository.commit({"a": "1"})
    repository.git("tag", "v1")
    release = stored(database, sha, ONE)
    for text in (release.id, release.id[:9], release.id[4:10], sha, sha[:8], "HEAD", "main", "v1"):
        found = find_release(database, git, service="shop", repository=repository.folder, text=text)
        assert found == release, text


def test_further_runs_of_a_commit_do_not_change_what_head_means(
    database: Database, repository: Repository, git: Git
) -> None:
    sha = repository.commit({"a": "1"})
    first = stored(database, sha, ONE)
    nightly = stored(database, sha, TWO, at=NOW + DAY)
    # Of a re-run, too, which makes the same content again.
    stored(database, sha, TWO, at=NOW + 2 * DAY)

    def found(aim: Aim) -> Found:
        return find_for(database, git, aim, service="shop", repository=repository.folder, text="HEAD")

    production = Aim("production", lambda _: "staging")
    assert found(production).release == first
    # What passed staging goes to production, whenever it was made, and what is taken is said.
    passed = deployment(
        environment="staging", release=nightly.id, commit=sha, state=DeploymentState.SUCCEEDED
    )
    database.transact(lambda tx: insert_deployment(tx, passed, [], token=1))
    assert found(production) == Found(
        nightly,
        f"HEAD has 2 releases; {nightly.id} is taken, which passed staging (--release takes another one: {first.id})",
    )
    assert found(Aim("testing")).release == nightly
    database.transact(lambda tx: mark_removed(tx, nightly.id, renewed_at=NOW + 2 * DAY, now=NOW + 40 * DAY))
    assert found(production) == Found(first)


def test_a_commit_without_a_release_says_how_to_get_one(
    database: Database, repository: Repository, git: Git
) -> None:
    sha = repository.commit({"a": "1"})
    with pytest.raises(NoReleaseYet, match=rf"HEAD \({sha[:12]}\) has no release of shop yet") as caught:
        find_release(database, git, service="shop", repository=repository.folder, text="HEAD")
    assert caught.value.exit_code == 2
    assert "headway run" in (caught.value.hint or "")


@pytest.mark.parametrize("text", ["rel-000000000000", "nonsense", "", "--all", "ffffffff"])
def test_what_nothing_is_called(database: Database, repository: Repository, git: Git, text: str) -> None:
    repository.commit({"a": "1"})
    with pytest.raises(UnknownRelease) as caught:
        find_release(database, git, service="shop", repository=repository.folder, text=text)
    assert caught.value.hint == "see what there is: headway release"


def test_what_may_be_several_is_refused(database: Database, repository: Repository, git: Git) -> None:
    repository.commit({"a": "1"})
    for sha in ("abcd" + "0" * 36, "abcd" + "1" * 36):
        stored(database, sha, ONE)
    with pytest.raises(
        AmbiguousRelease, match="'abcd' may be 2 releases of shop: abcd00000000, abcd11111111"
    ):
        find_release(database, git, service="shop", repository=repository.folder, text="abcd")
    with pytest.raises(AmbiguousRelease, match="may be 2 releases of shop: rel-"):
        find_release(database, git, service="shop", repository=repository.folder, text="rel-")


def test_a_release_that_is_gone_says_so(database: Database, repository: Repository, git: Git) -> None:
    sha = repository.commit({"a": "1"})
    release = stored(database, sha, ONE)
    database.transact(lambda tx: mark_removed(tx, release.id, renewed_at=NOW, now=NOW + 40 * DAY))
    for text in (release.id, sha[:8], "HEAD"):
        with pytest.raises(ReleaseGone, match="is gone: its artifacts were removed on 2026-06-13") as caught:
            find_release(database, git, service="shop", repository=repository.folder, text=text)
        assert caught.value.hint == f"make it anew: git checkout {sha[:12]}, then headway run"
        assert caught.value.exit_code == 2


def test_a_deployment_holds_on_to_its_release(database: Database, tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path / "artifacts")
    (tmp_path / "file").write_text("x")
    release = stored(database, "a" * 40, store.keep(tmp_path / "file", "a"))
    database.transact(lambda tx: hold_release(tx, store, release, now=NOW + DAY))
    assert not database.transact(lambda tx: mark_removed(tx, release.id, renewed_at=NOW, now=NOW + DAY))
    assert database.transact(lambda tx: mark_removed(tx, release.id, renewed_at=NOW + DAY, now=NOW + 2 * DAY))
    with pytest.raises(ReleaseGone):
        database.transact(lambda tx: hold_release(tx, store, release, now=NOW + 3 * DAY))
