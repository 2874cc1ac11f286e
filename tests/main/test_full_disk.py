"""`headway up` where there is no room: one sentence, whatever it was about to write."""

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from headway.base.errors import DiskFull
from headway.main import serve as serving
from headway.main.serve import first_of
from tests.support.running_server import RunningServer


def test_the_error_that_a_person_can_mend_is_found_in_a_group_of_groups() -> None:
    full = DiskFull("no room")
    group = BaseExceptionGroup("tasks", [RuntimeError(), BaseExceptionGroup("inner", [ValueError(), full])])
    assert first_of(group, DiskFull, OSError) is full
    assert first_of(group, KeyError) is None


def test_a_start_that_finds_no_room_ends_with_one_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object) -> None:
        async def write() -> None:
            raise DiskFull("there is no room left")

        async with serving.asyncio.TaskGroup() as tasks:
            tasks.create_task(write())

    loop = asyncio.new_event_loop()
    monkeypatch.setattr(serving, "_serve", full)
    # A server leaves its loop to the end of its process.
    monkeypatch.setattr(serving.asyncio, "new_event_loop", lambda: loop)
    try:
        with pytest.raises(DiskFull, match="no room left"):
            serving.serve(None, None, lambda listening: None)  # type: ignore[arg-type]
    finally:
        asyncio.set_event_loop(None)
        loop.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip(f"no small disk can be made here: {made.stderr.decode().strip()}")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.slow
def test_a_start_on_a_full_disk_says_one_sentence(tmp_path: Path, small_disk: Path) -> None:
    server = RunningServer(tmp_path)
    server.environment["HEADWAY_DATA"] = str(small_disk / "data")
    try:
        server.start()
        assert server.stop() == 0
        for room in (0, 16, 40, 64):
            server.log.write_text("")
            (small_disk / "fill").unlink(missing_ok=True)
            free = int(subprocess.check_output(["df", "-k", "--output=avail", small_disk]).split()[-1])
            (small_disk / "fill").write_bytes(bytes((free - room) * 1024))
            try:
                server.start()
            except (AssertionError, KeyError):
                # It ended, with an error instead of an address.
                assert server.process is not None and server.process.wait(30) == 3
            else:
                assert server.stop() == 0
            assert "Traceback" not in server.log.read_text()
    finally:
        server.close()
