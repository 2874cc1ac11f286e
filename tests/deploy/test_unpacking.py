"""What an artifact holds stays in the release's folder, whatever it is; run here, with both kinds of tar."""

import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from headway.deploy.commands import Group, commands
from headway.domain.release import Artifact
from tests.deploy.examples import deploy_spec, host, plan
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

    def unpack(self, artifact: Artifact, shared: Sequence[str] = ()) -> "subprocess.CompletedProcess[str]":
        spec = deploy_spec(shared=tuple(shared), prepare=None, artifact=artifact.path)
        [command] = commands(plan(deploy=spec, artifact=artifact), host("web1"), Group.PREPARE)
        return subprocess.run(
            ["sh", "-eu", "-c", command.script],
            cwd=self.root,
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
    for folder in ("epochs/1", "releases", "shared", "uploads", "prepared"):
        (tmp_path / "root" / folder).mkdir(parents=True)
    (tmp_path / "neighbour").mkdir()
    (tmp_path / "neighbour" / "file").write_text("mine")
    return Host(tmp_path, path)


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
