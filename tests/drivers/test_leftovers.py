"""Folders that finished work left, and whose turn it is to clear them away."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from headway.drivers.leftovers import leftovers, remove_leftover, taking_turns

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_folders_come_with_age_and_size_oldest_first(tmp_path: Path) -> None:
    for name, age in (("new", 1), ("old", 9)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "log").write_bytes(b"x" * 10)
        (tmp_path / name / "more").write_bytes(b"x" * 5)
        at = (NOW - age * HOUR).timestamp()
        for path in (tmp_path / name / "log", tmp_path / name / "more", tmp_path / name):
            os.utime(path, (at, at))
    (tmp_path / "a file").touch()
    (tmp_path / "link").symlink_to("new")
    found = leftovers(tmp_path)
    assert [(each.name, each.size, NOW - each.changed_at) for each in found] == [
        ("old", 15, 9 * HOUR),
        ("new", 15, HOUR),
    ]
    assert leftovers(tmp_path / "nowhere") == []


def test_a_file_that_grows_keeps_its_folder_young(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/log").touch()
    old = (NOW - 9 * HOUR).timestamp()
    os.utime(tmp_path / "run", (old, old))
    os.utime(tmp_path / "run/log", (NOW.timestamp(), NOW.timestamp()))
    assert leftovers(tmp_path)[0].changed_at == NOW


def test_write_protected_folders_go_and_links_are_not_followed(tmp_path: Path) -> None:
    job, other = tmp_path / "job", tmp_path / "other"
    (job / "cache/inner").mkdir(parents=True)
    (job / "cache/inner/file").touch()
    other.mkdir()
    (other / "keep").touch()
    (job / "link").symlink_to(other)
    (job / "cache/inner").chmod(0o555)
    (job / "cache").chmod(0o555)
    remove_leftover(job)
    assert not job.exists()
    assert (other / "keep").exists()


def test_it_is_our_turn_after_a_while_and_alone(tmp_path: Path) -> None:
    marker = tmp_path / "data/tidied"

    def turn(now: datetime) -> bool:
        with taking_turns(marker, now=now, every=HOUR) as ours:
            return ours

    assert turn(NOW)
    assert not turn(NOW + HOUR / 2)
    assert turn(NOW + HOUR)
    assert not turn(NOW + HOUR)
    assert turn(NOW), "the clock was put back"
    with taking_turns(marker, now=NOW + 9 * HOUR, every=HOUR) as first:
        assert first
        assert not turn(NOW + 9 * HOUR)


def test_a_turn_that_failed_is_taken_again(tmp_path: Path) -> None:
    marker = tmp_path / "tidied"
    try:
        with taking_turns(marker, now=NOW, every=HOUR):
            raise RuntimeError
    except RuntimeError:
        pass
    with taking_turns(marker, now=NOW, every=HOUR) as ours:
        assert ours
