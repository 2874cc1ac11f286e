"""Artifacts: stored once by content, written whole or not at all, checked on read; found by globs that stay inside."""

import errno
import hashlib
import os
import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from headway.base.errors import DiskFull
from headway.domain.release import Artifact
from headway.drivers import artifacts as module
from headway.drivers.artifact_files import collect
from headway.drivers.artifacts import (
    ArtifactCorrupt,
    ArtifactError,
    ArtifactGone,
    ArtifactLinked,
    ArtifactMissing,
    ArtifactNameInvalid,
    ArtifactOutside,
    ArtifactStore,
)

LATER = datetime.now(UTC) + timedelta(days=1)


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "artifacts")


def made(tmp_path: Path, content: bytes = b"content", name: str = "file") -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


def blobs(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "artifacts/sha256").glob("*/*"))


def test_an_artifact_is_named_by_its_content(store: ArtifactStore, tmp_path: Path) -> None:
    artifact = store.keep(made(tmp_path), "dist/file")
    assert artifact == Artifact("dist/file", hashlib.sha256(b"content").hexdigest(), 7, executable=False)
    assert store.verified(artifact).read_bytes() == b"content"
    assert list(store.digests()) == [artifact.sha256]


def test_the_same_content_stands_once(store: ArtifactStore, tmp_path: Path) -> None:
    store.keep(made(tmp_path, name="a"), "a")
    store.keep(made(tmp_path, name="b"), "b")
    assert len(blobs(tmp_path)) == 1


def test_only_we_can_read_what_is_kept(store: ArtifactStore, tmp_path: Path) -> None:
    store.keep(made(tmp_path), "file")
    [blob] = blobs(tmp_path)
    assert stat.S_IMODE(blob.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "artifacts").stat().st_mode) == 0o700


@pytest.mark.parametrize(("mode", "laid"), [(0o755, 0o755), (0o700, 0o755), (0o644, 0o644), (0o400, 0o644)])
def test_the_executable_bit_is_kept_and_no_other(
    store: ArtifactStore, tmp_path: Path, mode: int, laid: int
) -> None:
    file = made(tmp_path)
    file.chmod(mode)
    before = os.umask(0o022)
    try:
        target = store.lay(store.keep(file, "bin/tool"), tmp_path / "work")
    finally:
        os.umask(before)
    assert target == tmp_path / "work/bin/tool"
    assert stat.S_IMODE(target.stat().st_mode) == laid


def test_laying_replaces_what_stands_there(store: ArtifactStore, tmp_path: Path) -> None:
    artifact = store.keep(made(tmp_path), "out")
    (tmp_path / "work").mkdir()
    made(tmp_path / "work", b"old", "out").chmod(0o400)
    store.lay(artifact, tmp_path / "work")
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["out"]
    assert (tmp_path / "work/out").read_bytes() == b"content"


def test_damaged_content_is_named_and_never_laid(store: ArtifactStore, tmp_path: Path) -> None:
    artifact = store.keep(made(tmp_path), "dist/shop.tar.gz")
    blobs(tmp_path)[0].write_bytes(b"c0ntent")
    with pytest.raises(ArtifactCorrupt, match=r"the artifact dist/shop\.tar\.gz is damaged") as caught:
        store.verified(artifact)
    assert caught.value.exit_code == 3
    with pytest.raises(ArtifactCorrupt):
        store.lay(artifact, tmp_path / "work")
    assert list((tmp_path / "work/dist").iterdir()) == []


def test_keeping_the_same_content_again_heals_it(store: ArtifactStore, tmp_path: Path) -> None:
    artifact = store.keep(made(tmp_path), "a")
    blobs(tmp_path)[0].write_bytes(b"c0ntent")
    store.keep(made(tmp_path), "a")
    assert store.verified(artifact).read_bytes() == b"content"


def test_content_that_is_gone_says_how_to_make_it_anew(store: ArtifactStore, tmp_path: Path) -> None:
    artifact = store.keep(made(tmp_path), "a")
    blobs(tmp_path)[0].unlink()
    for read in (
        store.path_of,
        store.verified,
        lambda each: store.lay(each, tmp_path),
        lambda each: store.renew([each]),
    ):
        with pytest.raises(ArtifactGone, match="is gone") as caught:
            read(artifact)
        assert "headway run" in (caught.value.hint or "")


@pytest.mark.parametrize("path", ["../out", "/etc/x", "a/../../out", "link/out"])
def test_an_artifact_is_never_laid_outside(store: ArtifactStore, tmp_path: Path, path: str) -> None:
    kept = store.keep(made(tmp_path), "a")
    (tmp_path / "work").mkdir()
    (tmp_path / "work/link").symlink_to(tmp_path)
    with pytest.raises(ArtifactOutside):
        store.lay(Artifact(path, kept.sha256, kept.size), tmp_path / "work")
    assert not (tmp_path / "out").exists()


def test_a_full_disk_leaves_nothing_behind(
    store: ArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", full)
    with pytest.raises(
        DiskFull, match="the disk is full: the artifact dist/x could not be written"
    ) as caught:
        store.keep(made(tmp_path), "dist/x")
    assert caught.value.exit_code == 3
    assert blobs(tmp_path) == []
    assert list((tmp_path / "artifacts/partial").iterdir()) == []


def test_a_named_pipe_is_refused_at_once(store: ArtifactStore, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ArtifactError, match="not a regular file"):
        store.keep(tmp_path / "pipe", "pipe")


def test_a_file_that_is_not_there(store: ArtifactStore, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="No such file"):
        store.keep(tmp_path / "nowhere", "nowhere")


def test_only_old_content_is_removed(store: ArtifactStore, tmp_path: Path) -> None:
    artifact = store.keep(made(tmp_path), "a")
    assert store.remove(artifact.sha256, older_than=datetime.now(UTC) - timedelta(hours=1)) is None
    os.utime(blobs(tmp_path)[0], (0, 0))
    store.renew([artifact])
    assert store.remove(artifact.sha256, older_than=datetime.now(UTC) - timedelta(hours=1)) is None
    assert store.remove(artifact.sha256, older_than=LATER) == 7
    assert store.remove(artifact.sha256, older_than=LATER) is None


def test_what_a_killed_process_left_goes(store: ArtifactStore, tmp_path: Path) -> None:
    store.keep(made(tmp_path), "a")
    made(tmp_path / "artifacts/partial", name="half")
    store.remove_partial(older_than=datetime.now(UTC) - timedelta(hours=1))
    assert (tmp_path / "artifacts/partial/half").exists()
    store.remove_partial(older_than=LATER)
    assert not (tmp_path / "artifacts/partial/half").exists()


def test_keeping_and_removing_the_same_content_never_loses_what_was_kept(
    store: ArtifactStore, tmp_path: Path
) -> None:
    """The remover's limit lies before every keep, so whatever was kept must be there when both have ended."""
    file = made(tmp_path)
    digest = store.keep(file, "a").sha256
    limit = datetime.now(UTC) - timedelta(seconds=5)
    stop = threading.Event()

    def remover() -> None:
        while not stop.is_set():
            store.remove(digest, older_than=limit)

    thread = threading.Thread(target=remover)
    thread.start()
    try:
        for _ in range(40):
            os.utime(store.path_of(Artifact("a", digest, 7)), (0, 0))
            artifact = store.keep(file, "a")
            assert store.verified(artifact)
    finally:
        stop.set()
        thread.join()


# Finding


def tree(folder: Path, *paths: str) -> Path:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(path)
    return folder


@pytest.mark.parametrize(
    ("globs", "found"),
    [
        (["dist/a.tar.gz"], ["dist/a.tar.gz"]),
        (["dist/*.whl"], ["dist/b.whl", "dist/c.whl"]),
        (["dist/?.whl", "dist/b*"], ["dist/b.whl", "dist/c.whl"]),
        (["dist"], ["dist/a.tar.gz", "dist/b.whl", "dist/c.whl", "dist/deep/d.whl"]),
        (["dist/"], ["dist/a.tar.gz", "dist/b.whl", "dist/c.whl", "dist/deep/d.whl"]),
        (["**/*.whl"], ["dist/b.whl", "dist/c.whl", "dist/deep/d.whl"]),
        (["**/d.whl"], ["dist/deep/d.whl"]),
        (["dist/**"], ["dist/a.tar.gz", "dist/b.whl", "dist/c.whl", "dist/deep/d.whl"]),
        (["di*"], ["dist/a.tar.gz", "dist/b.whl", "dist/c.whl", "dist/deep/d.whl"]),
        (["*.xml"], ["report.xml"]),
        (["./report.xml"], ["report.xml"]),
        (["[bc].txt"], ["b.txt"]),
        (["odd [1].txt"], ["odd [1].txt"]),
    ],
)
def test_globs_find_files(tmp_path: Path, globs: list[str], found: list[str]) -> None:
    tree(
        tmp_path,
        "dist/a.tar.gz", "dist/b.whl", "dist/c.whl", "dist/deep/d.whl",
        "report.xml", ".git/config.whl", "b.txt", "odd [1].txt",
    )  # fmt: skip
    assert [each.path for each in collect(tmp_path, globs)] == found


def test_a_glob_that_finds_nothing_is_named(tmp_path: Path) -> None:
    tree(tmp_path, "a.txt")
    with pytest.raises(ArtifactMissing, match=r"no file is there for the artifact 'dist/\*\.whl'") as caught:
        collect(tmp_path, ["a.txt", "dist/*.whl"])
    assert caught.value.exit_code == 1


@pytest.mark.parametrize("glob", ["/etc/passwd", "../secret", "a/../../secret", "sub/.."])
def test_a_glob_stays_in_the_folder(tmp_path: Path, glob: str) -> None:
    with pytest.raises(ArtifactOutside):
        collect(tree(tmp_path, "a", "sub/x"), [glob])


@pytest.mark.parametrize("glob", ["link", "l*", "folder-link", "folder-link/*", "**/secret", "."])
def test_links_lead_nowhere_else(tmp_path: Path, glob: str) -> None:
    work = tree(tmp_path / "work", "a")
    secret = tree(tmp_path / "other", "secret")
    (work / "link").symlink_to(secret / "secret")
    (work / "folder-link").symlink_to(secret)
    with pytest.raises((ArtifactOutside, ArtifactMissing)):
        collect(work, [glob])


def test_a_link_within_the_folder_is_the_file(tmp_path: Path, store: ArtifactStore) -> None:
    work = tree(tmp_path / "work", "v1.2/app")
    (work / "app").symlink_to("v1.2/app")
    [found] = collect(work, ["app"])
    assert store.keep(found.file, found.path).size == len("v1.2/app")


@pytest.mark.parametrize("glob", ["out", "out/", "out/**", "out/**/*", "**/current", "o*"])
def test_a_link_to_a_folder_is_refused_by_name(tmp_path: Path, glob: str) -> None:
    """What lies behind it would be missing in the release without a word."""
    tree(tmp_path, "out/v1/app")
    (tmp_path / "out/current").symlink_to("v1")
    with pytest.raises(ArtifactLinked, match="'out/current' is a link to a folder, to 'v1'"):
        collect(tmp_path, [glob])


def test_a_link_to_a_folder_that_is_named_is_the_folder(tmp_path: Path) -> None:
    tree(tmp_path, "v1/app", "v1/deep/lib")
    (tmp_path / "current").symlink_to("v1")
    assert [each.path for each in collect(tmp_path, ["current"])] == ["current/app", "current/deep/lib"]


def test_a_link_to_nothing_is_named(tmp_path: Path) -> None:
    (tmp_path / "app").symlink_to("nowhere")
    with pytest.raises(ArtifactMissing, match="'app' is a link to nothing"):
        collect(tmp_path, ["app"])


def test_a_name_that_is_no_text_is_shown_by_its_bytes(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.txt")).write_text("x")
    with pytest.raises(ArtifactNameInvalid, match=r"b'caf\\xe9\.txt' is not UTF-8") as caught:
        collect(tmp_path, ["*.txt"])
    assert caught.value.exit_code == 1


@pytest.mark.parametrize("glob", ["a**b", "***"])
def test_a_glob_that_is_none(tmp_path: Path, glob: str) -> None:
    with pytest.raises(ArtifactMissing):
        collect(tmp_path, [glob])


def test_pipes_and_sockets_are_no_artifacts(tmp_path: Path) -> None:
    tree(tmp_path, "out/a")
    os.mkfifo(tmp_path / "out/pipe")
    assert [each.path for each in collect(tmp_path, ["out"])] == ["out/a"]
