"""Files to real OpenSSH hosts: whole or not at all, skipped when there, nothing left behind when it goes wrong."""

import asyncio
import hashlib
import os
import random
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from headway.drivers.ssh.connections import Connections
from headway.drivers.ssh.errors import ConnectionLost, DiskFullOnHost, UploadRefused
from headway.drivers.ssh.session import HostSession
from tests.support.powers import bound_program
from tests.support.sshd import Farm, Sshd, needs_sshd, start_sshd

pytestmark = needs_sshd

RANDOM = random.Random(7).randbytes(3_000_000)
TEXT = b"".join(b"%d a line that compresses well\n" % number for number in range(60_000))


@pytest.fixture
async def session(sshd: Sshd) -> AsyncIterator[HostSession]:
    async with Connections(sshd.settings()) as connections:
        yield await connections.session(sshd.host())


def made(folder: Path, data: bytes, name: str = "source") -> tuple[Path, str]:
    path = folder / name
    path.write_bytes(data)
    return path, hashlib.sha256(data).hexdigest()


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    "data", [b"", b"small \0\xff%\\'\n", RANDOM, TEXT], ids=["empty", "small", "random", "text"]
)
async def test_a_file_arrives_as_it_is(session: HostSession, sshd: Sshd, tmp_path: Path, data: bytes) -> None:
    source, sha256 = made(tmp_path, data)
    assert await session.upload(source, sha256, "deep/er/it's a name", mode=0o755)
    arrived = sshd.home / "deep/er/it's a name"
    assert arrived.read_bytes() == data
    assert arrived.stat().st_mode & 0o777 == 0o755
    assert files_below(sshd.home) == ["deep/er/it's a name"]


@pytest.mark.parametrize("data", [RANDOM, b"small"], ids=["large", "small"])
async def test_the_same_content_is_not_sent_again(
    session: HostSession, sshd: Sshd, tmp_path: Path, data: bytes
) -> None:
    source, sha256 = made(tmp_path, data)
    assert await session.upload(source, sha256, "file", mode=0o600)
    before = (sshd.home / "file").stat()
    assert not await session.upload(source, sha256, "file", mode=0o640)
    after = (sshd.home / "file").stat()
    assert after.st_ino == before.st_ino, "it was written again"
    assert after.st_mode & 0o777 == 0o640


async def test_other_content_in_its_place_is_replaced(
    session: HostSession, sshd: Sshd, tmp_path: Path
) -> None:
    (sshd.home / "file").write_bytes(b"x" * len(RANDOM))
    source, sha256 = made(tmp_path, RANDOM)
    assert await session.upload(source, sha256, "file")
    assert (sshd.home / "file").read_bytes() == RANDOM


async def test_an_absolute_destination_is_taken_as_it_is(session: HostSession, tmp_path: Path) -> None:
    source, sha256 = made(tmp_path, TEXT)
    await session.upload(source, sha256, str(tmp_path / "there" / "-n"))
    assert (tmp_path / "there" / "-n").read_bytes() == TEXT


@pytest.mark.parametrize("data", [RANDOM, b"small"], ids=["large", "small"])
async def test_a_file_that_is_not_what_it_is_said_to_be_is_refused(
    session: HostSession, sshd: Sshd, tmp_path: Path, data: bytes
) -> None:
    (sshd.home / "file").write_bytes(b"before")
    source, _ = made(tmp_path, data)
    with pytest.raises(UploadRefused, match="SHA-256"):
        await session.upload(source, "0" * 64, "file")
    assert (sshd.home / "file").read_bytes() == b"before"
    assert files_below(sshd.home) == ["file"]


async def test_a_folder_in_its_place_is_said(session: HostSession, sshd: Sshd, tmp_path: Path) -> None:
    (sshd.home / "file").mkdir()
    for data in (RANDOM, b"small"):
        source, sha256 = made(tmp_path, data)
        with pytest.raises(UploadRefused, match="is a folder"):
            await session.upload(source, sha256, "file")
    assert files_below(sshd.home) == []


async def test_a_folder_that_cannot_be_made_is_said(session: HostSession, sshd: Sshd, tmp_path: Path) -> None:
    (sshd.home / "file").write_text("in the way")
    for data in (RANDOM, b"small"):
        source, sha256 = made(tmp_path, data)
        with pytest.raises(UploadRefused, match=r"(?i)file exists|not a directory"):
            await session.upload(source, sha256, "file/below")


async def test_a_folder_without_permission_is_said(sshd_farm: Farm, tmp_path: Path) -> None:
    (server,) = sshd_farm.start(1, program=bound_program())
    (server.home / "closed").mkdir(mode=0o500)
    source, sha256 = made(tmp_path, RANDOM)
    async with Connections(sshd_farm.settings()) as connections:
        session = await connections.session(server.host())
        with pytest.raises(UploadRefused, match="no permission"):
            await session.upload(source, sha256, "closed/file")


async def test_secret_bytes_are_private_from_the_first_moment(session: HostSession, sshd: Sshd) -> None:
    for data in (b"TOKEN=hunter2\0\n", RANDOM[:200_000]):
        await session.upload_bytes(data, "settings/x.env")
        arrived = sshd.home / "settings/x.env"
        assert arrived.read_bytes() == data
        assert arrived.stat().st_mode & 0o777 == 0o600
    assert files_below(sshd.home) == ["settings/x.env"]


async def test_a_connection_lost_half_way_leaves_nothing(
    session: HostSession, sshd: Sshd, tmp_path: Path
) -> None:
    source, sha256 = made(tmp_path, RANDOM * 20)
    (sshd.home / "file").write_bytes(b"before")
    sending = asyncio.ensure_future(session.upload(source, sha256, "file"))
    while not list(sshd.home.glob(".headway-upload.*")):
        await asyncio.sleep(0.002)
    for pid in sshd.child_pids():
        os.kill(pid, 9)
    with pytest.raises(ConnectionLost):
        await sending
    await settled(sshd)
    assert (sshd.home / "file").read_bytes() == b"before"
    # And the next one succeeds on a new connection.
    assert await session.upload(source, sha256, "file")


async def test_an_upload_that_is_given_up_leaves_nothing(
    session: HostSession, sshd: Sshd, tmp_path: Path
) -> None:
    source, sha256 = made(tmp_path, RANDOM * 20)
    sending = asyncio.ensure_future(session.upload(source, sha256, "file"))
    while not list(sshd.home.glob(".headway-upload.*")):
        await asyncio.sleep(0.002)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    await settled(sshd)
    assert files_below(sshd.home) == []


async def settled(sshd: Sshd) -> None:
    """Until the host has noticed and cleaned up."""
    for _ in range(500):
        if not list(sshd.home.glob(".headway-upload.*")):
            return
        await asyncio.sleep(0.01)
    raise AssertionError(files_below(sshd.home))


async def test_text_travels_compressed_and_only_once_packed(sshd_farm: Farm, tmp_path: Path) -> None:
    servers = sshd_farm.start(3)
    source, sha256 = made(tmp_path, TEXT)
    async with Connections(sshd_farm.settings()) as connections:
        sessions = [await connections.session(host) for host in sshd_farm.hosts()]
        await asyncio.gather(*(session.upload(source, sha256, "file") for session in sessions))
        packed = await connections.packed.get(source, sha256)
        assert packed is not None and packed.stat().st_size < len(TEXT) / 4
        assert len(list(packed.parent.iterdir())) == 1
        random_source, random_sha256 = made(tmp_path, RANDOM, "random")
        assert await connections.packed.get(random_source, random_sha256) is None
    assert not packed.parent.exists()
    assert all((server.home / "file").read_bytes() == TEXT for server in servers)


@pytest.fixture
def small_disk(sshd: Sshd) -> Iterator[Path]:
    """A disk of 24 MiB on the host."""
    place = sshd.home / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(place)], check=False, capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


async def test_a_file_larger_than_the_disk_is_refused_before_a_byte(
    session: HostSession, small_disk: Path, tmp_path: Path
) -> None:
    source, sha256 = made(tmp_path, RANDOM * 10)
    with pytest.raises(DiskFullOnHost) as caught:
        await session.upload(source, sha256, "disk/file")
    assert caught.value.free is not None and 20_000_000 < caught.value.free <= 24 * 2**20
    assert "disk/file" in caught.value.message and "web-1" in caught.value.message
    assert files_below(small_disk) == []


async def test_a_file_that_would_fill_the_disk_is_refused_with_what_is_kept_free(
    session: HostSession, small_disk: Path, tmp_path: Path
) -> None:
    source, sha256 = made(tmp_path, bytes(20 * 2**20))
    with pytest.raises(DiskFullOnHost, match=r"are free, of which 8\.0 MiB are kept for the service"):
        await session.upload(source, sha256, "disk/file")
    assert files_below(small_disk) == []


async def test_a_disk_that_fills_meanwhile_leaves_nothing(
    session: HostSession, small_disk: Path, tmp_path: Path
) -> None:
    source, sha256 = made(tmp_path, RANDOM * 4)
    sending = asyncio.ensure_future(session.upload(source, sha256, "disk/file"))
    while not list(small_disk.glob(".headway-upload.*")):
        await asyncio.sleep(0)
    with (small_disk / "other").open("wb") as other:
        try:
            while True:
                other.write(bytes(2**20))
                other.flush()
        except OSError:
            pass
    with pytest.raises(DiskFullOnHost) as caught:
        await sending
    assert caught.value.free is not None
    assert files_below(small_disk) == ["other"]


@pytest.mark.parametrize("tool", ["openssl", "sha256sum", "busybox", None])
async def test_a_checksum_is_made_with_what_the_host_has(tmp_path: Path, tool: str | None) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sh", "cat", "mkdir", "mv", "chmod", "rm", "df", "find", "gzip", tool):
        if name is not None:
            found = shutil.which(name)
            if found is None:
                pytest.skip(f"{name} is not installed here")
            (programs / name).symlink_to(found)
    server = start_sshd(tmp_path / "sshd", shell=f"/usr/bin/env PATH={programs} /bin/sh")
    source, sha256 = made(tmp_path, RANDOM * 2)
    try:
        async with Connections(server.settings()) as connections:
            session = await connections.session(server.host())
            if tool is None:
                with pytest.raises(UploadRefused, match="no tool for SHA-256"):
                    await session.upload(source, sha256, "file")
                assert files_below(server.home) == []
            else:
                assert await session.upload(source, sha256, "file")
                assert not await session.upload(source, sha256, "file")
    finally:
        server.stop()
