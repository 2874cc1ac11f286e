"""What an artifact holds stays in the release's folder, whatever it is; run here, with both kinds of tar."""

import io
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from headway.deploy.commands import Group, commands
from headway.deploy.hostside import look_script
from headway.deploy.record import HostRecord, finish_script, read_record
from headway.domain.deployment import Command
from headway.domain.release import Artifact
from tests.deploy.examples import deploy_spec, host, plan
from tests.support.powers import may_mount, mounted
from tests.support.repositories import snapshot

DIGEST = "c" * 64


@dataclass
class Host:
    """A root as an owner has it before it unpacks."""

    folder: Path
    path: str

    @property
    def root(self) -> Path:
        return self.folder / "root"

    @property
    def release(self) -> Path:
        return self.root / "releases" / "rel-b"

    @property
    def marker(self) -> Path:
        return self.root / "unpacked" / "rel-b"

    def unpack(
        self, artifact: Artifact | None, shared: Sequence[str] = (), prepare: str | None = None
    ) -> "subprocess.CompletedProcess[str]":
        return self.do(Group.PREPARE, artifact, shared, prepare)

    def do(
        self,
        group: Group,
        artifact: Artifact | None,
        shared: Sequence[str] = (),
        prepare: str | None = None,
    ) -> "subprocess.CompletedProcess[str]":
        spec = deploy_spec(
            shared=tuple(shared), prepare=prepare, artifact=artifact.path if artifact else "dist/shop.tar.gz"
        )
        made = commands(plan(deploy=spec, artifact=artifact), host("web1"), group)
        for command in made:
            if (done := self.run(command)).returncode:
                break
        return done

    def run(self, command: Command) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["sh", "-eu", "-c", command.script],
            cwd=self.root / command.directory,
            env={
                "PATH": self.path,
                "HEADWAY_ROOT": str(self.root),
                "HEADWAY_EPOCH": str(self.root / "epochs" / "1"),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )


@pytest.fixture(params=["tar", "busybox"])
def here(request: pytest.FixtureRequest, tmp_path: Path) -> Host:
    path = os.environ["PATH"]
    if request.param == "busybox":
        busybox = shutil.which("busybox")
        if busybox is None:
            pytest.skip("busybox is not installed")
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin" / "tar").symlink_to(busybox)
        path = f"{tmp_path / 'bin'}:{path}"
    for folder in ("epochs/1", "releases", "shared", "uploads", "prepared", "unpacked"):
        (tmp_path / "root" / folder).mkdir(parents=True)
    (tmp_path / "neighbour").mkdir()
    (tmp_path / "neighbour" / "file").write_text("mine")
    return Host(tmp_path, path)


@pytest.fixture
def small_releases(here: Host) -> Iterator[Host]:
    """`releases/` is a file system of 64 KiB, of its own."""
    if not may_mount():
        pytest.skip("only root may mount a small file system")
    with mounted(here.root / "releases", "size=64k"):
        yield here


def brought(here: Host, files: dict[str, bytes]) -> Artifact:
    """An archive where it lies when it was just uploaded."""
    with tarfile.open(here.root / "uploads" / f"{DIGEST}.tar.gz", "w:gz") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return Artifact("dist/shop.tar.gz", DIGEST, 1)


def nothing_behind(here: Host) -> bool:
    left = [here.root / "uploads", here.root / "releases", here.root / "unpacked", here.root / "prepared"]
    return not any(list(folder.iterdir()) for folder in left)


def archive(here: Host, *entries: tuple[str, str | None]) -> Artifact:
    """Files (name, None) and symbolic links (name, target)."""
    with tarfile.open(here.root / "uploads" / f"{DIGEST}.tar.gz", "w:gz") as tar:
        for name, target in entries:
            entry = tarfile.TarInfo(name)
            entry.uid = entry.gid = 4242
            if target is None:
                entry.size = 4
                tar.addfile(entry, io.BytesIO(b"evil"))
            else:
                entry.type, entry.linkname = tarfile.SYMTYPE, target
                tar.addfile(entry)
    return Artifact("dist/shop.tar.gz", DIGEST, 1)


@pytest.mark.parametrize(
    "entries",
    [
        [("../../../../neighbour/file", None)],
        [("{folder}/neighbour/file", None)],
        [("link", "../../../../neighbour"), ("link/file", None)],
        [("link", "{folder}/neighbour"), ("link/file", None)],
    ],
)
def test_nothing_is_written_outside_of_the_release(here: Host, entries: list[tuple[str, str | None]]) -> None:
    folder = str(here.folder)
    named = [
        (name.format(folder=folder), target and target.format(folder=folder)) for name, target in entries
    ]
    before = snapshot(here.folder / "neighbour")
    here.unpack(archive(here, *named))
    assert snapshot(here.folder / "neighbour") == before
    assert sorted(path.name for path in here.folder.iterdir()) in (
        ["neighbour", "root"],
        ["bin", "neighbour", "root"],
    )


def test_files_belong_to_who_unpacks_them(here: Host) -> None:
    assert here.unpack(archive(here, ("run", None))).returncode == 0
    assert (here.release / "run").stat().st_uid == os.geteuid()


def test_a_shared_path_through_a_link_is_refused(here: Host) -> None:
    artifact = archive(here, ("var", str(here.folder / "neighbour")), ("other", None))
    before = snapshot(here.folder / "neighbour")
    done = here.unpack(artifact, ["var/file"])
    assert (done.returncode, done.stdout) == (1, "var/file is shared, but var is a link in the artifact\n")
    assert snapshot(here.folder / "neighbour") == before
    assert not here.release.exists()


@pytest.mark.parametrize(
    "name", ["$(touch pwned)", "`touch pwned`", "a; touch pwned", "it's", "-rf", 'q"uote', "a\nb", "*"]
)
def test_names_reach_the_shell_as_they_are(here: Host, name: str) -> None:
    (here.root / "uploads" / DIGEST).write_text("x")
    done = here.unpack(Artifact(f"dist/{name}", DIGEST, 1), [f"data/{name}", f"shared {name}"])
    assert done.returncode == 0, done.stdout
    assert (here.release / name).read_text() == "x"
    assert (here.release / "data" / name).resolve() == (here.root / "shared" / "data" / name)
    assert (here.release / f"shared {name}").is_dir()
    assert not list(here.folder.rglob("pwned"))


def test_a_folder_counts_only_with_its_marker_which_names_what_it_was_unpacked_from(here: Host) -> None:
    artifact = brought(here, {"VERSION": b"one", "it's\na": b"x", "bin/run": b"y"})
    assert here.unpack(artifact).returncode == 0
    source, *files = here.marker.read_text().splitlines()
    assert source == DIGEST
    assert sorted(line[66:] for line in files) == ["./VERSION", "./bin/run"]
    assert not list((here.root / "uploads").iterdir())
    assert here.unpack(artifact).stdout == "rel-b stands here already\n"
    # Half a folder, as a copy to another filesystem leaves it that was broken off.
    here.marker.unlink()
    (here.release / "bin" / "run").unlink()
    assert not looked(here).releases
    assert here.unpack(brought(here, {"VERSION": b"one", "bin/run": b"y"})).stdout == ""
    assert (here.release / "bin" / "run").read_bytes() == b"y"


def looked(here: Host) -> HostRecord:
    said = subprocess.run(["sh"], input=look_script(str(here.root)).encode(), capture_output=True, check=True)
    return read_record(said.stdout)


def test_the_same_release_from_another_artifact_is_unpacked_anew(here: Host) -> None:
    here.unpack(brought(here, {"VERSION": b"one"}))
    (here.root / "uploads" / "other.tar.gz").write_bytes(b"")
    other = "d" * 64
    brought(here, {"other": b"two"})
    (here.root / "uploads" / f"{DIGEST}.tar.gz").rename(here.root / "uploads" / f"{other}.tar.gz")
    assert here.unpack(Artifact("dist/other.tar.gz", other, 1)).returncode == 0
    assert sorted(path.name for path in here.release.iterdir()) == ["other"]
    assert looked(here).releases == {"rel-b": other}


def test_what_current_points_to_is_unpacked_anew_when_its_folder_is_gone(here: Host) -> None:
    """`releases/` lay in memory, and the host was started anew."""
    here.unpack(brought(here, {"VERSION": b"one"}))
    (here.root / "current").symlink_to("releases/rel-b")
    shutil.rmtree(here.release)
    assert here.unpack(brought(here, {"VERSION": b"one"})).returncode == 0
    assert (here.release / "VERSION").read_text() == "one"
    # What serves stays, and an archive that nobody needs does not.
    assert here.unpack(brought(here, {"VERSION": b"one"})).stdout == "rel-b stands here already, and serves\n"
    assert not list((here.root / "uploads").iterdir())


def test_what_is_ended_while_it_unpacks_leaves_nothing_but_its_archive(here: Host) -> None:
    """A time limit, or a host that shuts down: whoever begins it again has what it is unpacked from."""
    artifact = brought(here, {"VERSION": b"one"})
    (here.folder / "slow").mkdir()
    slow = here.folder / "slow" / "tar"
    slow.write_text(
        f'#!/bin/sh\ncase $1 in -t*) exec {shutil.which("tar")} "$@" ;; esac\nkill $PPID; sleep 1\n'
    )
    slow.chmod(0o755)
    usual, here.path = here.path, f"{here.folder / 'slow'}:{here.path}"
    assert here.unpack(artifact).returncode != 0
    assert not list((here.root / "releases").iterdir())
    assert not looked(here).releases
    here.path = usual
    assert here.unpack(artifact).returncode == 0


@pytest.mark.parametrize(
    "damage",
    [
        lambda release: (release / "VERSION").write_text("two"),
        lambda release: (release / "VERSION").write_text(""),
        lambda release: (release / "VERSION").unlink(),
    ],
    ids=["changed", "emptied", "gone"],
)
def test_content_is_verified_before_it_is_used_again(here: Host, damage: Callable[[Path], object]) -> None:
    artifact = brought(here, {"VERSION": b"one", "bin/run": b"y"})
    here.unpack(artifact)
    assert here.do(Group.VERIFY, artifact).stdout == "rel-b is whole: 2 files\n"
    damage(here.release)
    # Nothing to unpack it from: refused, and nothing is touched.
    refused = here.do(Group.VERIFY, None)
    assert refused.returncode == 1
    assert "rel-b on this host is not as it was unpacked: VERSION;" in refused.stdout
    # What serves stays as it is.
    (here.root / "current").symlink_to("releases/rel-b")
    kept = here.do(Group.VERIFY, None)
    assert (kept.returncode, "rel-b serves, so it stays as it is" in kept.stdout) == (0, True)
    (here.root / "current").unlink()
    # Else it no longer counts, and is unpacked anew.
    assert here.do(Group.VERIFY, artifact).returncode == 0
    assert not looked(here).releases
    assert here.unpack(brought(here, {"VERSION": b"one", "bin/run": b"y"})).returncode == 0
    assert (here.release / "VERSION").read_text() == "one"


def test_what_prepare_and_the_service_write_is_no_damage(here: Host) -> None:
    artifact = brought(here, {"VERSION": b"one", "config": b"y"})
    (here.root / "settings").mkdir()
    done = here.unpack(artifact, prepare="echo prepared > config; echo x > new")
    assert done.returncode == 0, done.stdout
    assert [line[66:] for line in here.marker.read_text().splitlines()[1:]] == ["./VERSION"]
    (here.release / "log").write_text("served")
    assert here.do(Group.VERIFY, artifact).stdout == "rel-b is whole: 1 files\n"


def test_what_serves_without_a_marker_gets_one_so_that_it_is_a_way_back(here: Host) -> None:
    """An older Headway unpacked it."""
    (here.root / "releases" / "rel-a").mkdir()
    (here.root / "releases" / "rel-a" / "VERSION").write_text("old")
    (here.root / "current").symlink_to("releases/rel-a")
    assert here.unpack(brought(here, {"VERSION": b"one"})).returncode == 0
    assert looked(here).releases == {"rel-a": "?", "rel-b": DIGEST}


def test_nothing_counts_any_more_that_is_being_thrown_away(here: Host) -> None:
    """Killed while it removes an old release: the marker went first."""
    script = finish_script(plan(deploy=deploy_spec(keep=0)), host("web1"), number=1, kind="planned")
    assert script.index('"unpacked/$r"') < script.index('"releases/$r"')


def test_room_is_asked_for_the_unpacked_size_on_the_disk_where_it_will_live(small_releases: Host) -> None:
    here = small_releases
    done = here.unpack(brought(here, {"VERSION": b"one", "zeros": bytes(200_000)}))
    assert done.returncode == 1
    assert "rel-b has no room on the disk" in done.stdout
    assert f"{here.root / 'releases'}" in done.stdout
    assert "unpacked it needs 200 KiB, 64 KiB are free" in done.stdout
    assert nothing_behind(here)


def test_a_disk_that_fills_while_unpacking_leaves_nothing_behind_and_is_named(small_releases: Host) -> None:
    """There was room when it was asked for, and somebody else was faster."""
    here = small_releases
    (here.folder / "lies").mkdir()
    (here.folder / "lies" / "df").write_text(
        f"#!/bin/sh\nif mkdir {here.folder}/asked 2>/dev/null; then echo h; echo none 900000 0 900000 0% /; "
        f'else exec {shutil.which("df")} "$@"; fi\n'
    )
    (here.folder / "lies" / "df").chmod(0o755)
    here.path = f"{here.folder / 'lies'}:{here.path}"
    artifact = brought(here, {"VERSION": b"one", "noise": os.urandom(200_000)})
    done = here.unpack(artifact)
    assert done.returncode == 1
    last = done.stdout.splitlines()[-1]
    assert last.startswith(f"rel-b was not unpacked on the disk {here.root / 'releases'} (none): ")
    assert re.search(r"; \d KiB are free there$", last)
    assert nothing_behind(here)
    assert not looked(here).releases
    # And what a killed one left goes with the next.
    (here.root / "releases" / ".unpacking-0").mkdir()
    assert here.unpack(brought(here, {"VERSION": b"one"})).returncode == 0
    assert [path.name for path in (here.root / "releases").iterdir()] == ["rel-b"]


def test_half_of_a_shared_folder_is_not_taken_for_the_whole(here: Host) -> None:
    """`shared/` on a disk of its own that fills while the first content is moved there."""
    if not may_mount():
        pytest.skip("only root may mount a small file system")
    with mounted(here.root / "shared", "size=64k"):
        artifact = brought(here, {"data/a": b"a", "data/b": os.urandom(200_000)})
        assert here.unpack(artifact, ["data"]).returncode != 0
        assert not list((here.root / "shared").iterdir())
        assert not looked(here).releases
