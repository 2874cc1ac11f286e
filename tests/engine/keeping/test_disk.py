"""When the disk is nearly full, and what takes the room."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.base.errors import WrongUse
from headway.engine.keeping.disk import DiskWatch, FolderSize, Watermark, folder_size, judge, watermark_from
from headway.store.database import Database
from tests.support.settings import settings_in

GIB = 2**30
NOW = datetime(2026, 5, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    ("free", "total", "was_paused", "paused"),
    [
        (1.1, 10, False, False),
        (0.9, 10, False, True),  # below 1 GiB
        (4.9, 100, False, True),  # below 5 %
        (5.1, 100, False, False),
        (5.1, 100, True, True),  # it was paused: not before 1.5 times the mark
        (7.6, 100, True, False),
    ],
)
def test_when_new_runs_wait(free: float, total: float, was_paused: bool, paused: bool) -> None:
    state = judge(int(free * GIB), int(total * GIB), Watermark(), was_paused=was_paused, place="/data")
    assert state.paused is paused
    assert bool(state.sentence) is paused


def test_the_sentence_says_how_much_and_until_when() -> None:
    state = judge(GIB // 2, 100 * GIB, Watermark(), was_paused=False, place="/data")
    assert state.sentence == (
        "only 512.0 MiB of 100.0 GiB are free where /data lies: no new run begins until 7.5 GiB are; "
        "what runs goes on"
    )


@given(st.lists(st.integers(0, 100), max_size=30))
def test_it_pauses_below_the_mark_and_never_flickers_between_the_marks(frees: list[int]) -> None:
    paused = False
    for free in frees:
        state = judge(free, 100, Watermark(bytes=10, share=0), was_paused=paused, place="/")
        assert state.paused or free >= 10
        assert not state.paused or free < 15
        if 10 <= free < 15:
            assert state.paused is paused
        paused = state.paused


@pytest.mark.parametrize(
    ("text", "mark"),
    [("", 5 * GIB), ("20GiB", 20 * GIB), ("2%", 2 * GIB), ("0%", 0), ("0B", 0)],
)
def test_the_mark_can_be_set(tmp_path: Path, text: str, mark: int) -> None:
    assert watermark_from(settings_in(tmp_path, HEADWAY_KEEP_FREE=text)).mark(100 * GIB) == mark


@pytest.mark.parametrize("text", ["much", "95%", "-1%", "20 apples"])
def test_a_mark_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(WrongUse, match="HEADWAY_KEEP_FREE is"):
        watermark_from(settings_in(tmp_path, HEADWAY_KEEP_FREE=text))


def test_the_watch_remembers_that_it_paused(tmp_path: Path) -> None:
    free: Iterator[int] = iter([10, 4, 6, 8])
    watch = DiskWatch(settings_in(tmp_path), mark=Watermark(5, 0), usage=lambda _: (100, 0, next(free)))
    assert [watch.state.paused, *(watch.look().paused for _ in range(3))] == [False, True, True, False]


def test_a_disk_that_cannot_be_looked_at_begins_nothing(tmp_path: Path) -> None:
    watch = DiskWatch(settings_in(tmp_path))  # its folder is not there
    assert watch.state.paused
    assert "cannot be looked at (No such file or directory)" in watch.state.sentence
    (tmp_path / "data").mkdir()
    assert watch.look().free > 0


async def test_sizes_are_told_and_not_measured_for_each_page(database: Database, tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    settings.logs.mkdir(parents=True)
    (settings.logs / "log").write_bytes(b"x" * 100_000)
    watch = DiskWatch(settings)
    sizes = await watch.sizes(database, NOW)
    assert sizes.database > 50_000
    assert sizes.folders["logs"].is_whole
    assert 100_000 <= sizes.folders["logs"].bytes < 200_000
    assert sizes.folders["artifacts"] == FolderSize(0, True)
    assert await watch.sizes(database, NOW + timedelta(minutes=4)) is sizes
    assert await watch.sizes(database, NOW + timedelta(minutes=5)) is not sizes


def test_a_file_with_two_names_counts_once_and_links_lead_nowhere(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "one").write_bytes(b"x" * 50_000)
    os.link(folder / "one", folder / "two")
    (folder / "out").symlink_to("/")
    assert folder_size(folder, lambda: False).bytes < 100_000
    assert folder_size(folder, lambda: True) == FolderSize(0, False)
