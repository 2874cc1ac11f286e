"""Logs, read in both of their forms: any bytes, any lines, as the naive way would answer."""

import gzip
import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.drivers import logfile
from headway.drivers.log_packing import packed_path
from headway.drivers.logfile import LogDamaged, LogFile, Matches, Window, compress, log_exists, remove_log

# Pieces that are repeated until the text spans several blocks of 256 KiB, with short, long and empty lines.
PIECES = st.tuples(
    st.one_of(
        st.sampled_from([b"\n", b"line\n", b"no newline", b"\r\n", b"\x1b[31mred\x1b[0m\n"]),
        st.binary(max_size=12),
    ),
    st.sampled_from([1, 1, 2, 3, 700, 30_000]),
)
TEXTS = st.lists(PIECES, max_size=6).map(lambda pieces: b"".join(piece * count for piece, count in pieces))


def naive_lines(text: bytes) -> list[bytes]:
    lines = text.split(b"\n")
    return lines if lines[-1] else lines[:-1]


def naive_offsets(text: bytes) -> list[int]:
    offsets = [0]
    for line in naive_lines(text):
        offsets.append(min(offsets[-1] + len(line) + 1, len(text)))
    return offsets


def shown(line: bytes) -> bytes:
    if len(line) <= 65536:
        return line
    return line[:65536] + f" … [cut: this line has {len(line):,} bytes]".encode()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs")


_numbers = iter(range(10**9))


def stored(folder: Path, text: bytes, *, packed: bool) -> Path:
    path = folder / f"{next(_numbers)}.log"
    path.write_bytes(text)
    if packed:
        assert compress(path)
        assert not path.exists()
    return path


@settings(max_examples=80, deadline=None)
@given(TEXTS, st.booleans(), st.data())
def test_any_window_any_bytes_any_place(folder: Path, text: bytes, packed: bool, data: st.DataObject) -> None:
    lines, offsets = naive_lines(text), naive_offsets(text)
    path = stored(folder, text, packed=packed)
    with LogFile.open(path) as log:
        assert (log.size, log.lines, log.is_complete) == (len(text), len(lines), packed)
        for _ in range(4):
            first = data.draw(st.integers(1, len(lines) + 2))
            count = data.draw(st.sampled_from([0, 1, 2, 50, 9_999]))
            window = log.window(first, count)
            meant = [shown(line) for line in lines[first - 1 : first - 1 + count]]
            given = list(window.lines)
            # A window may end early, when it has shown much.
            assert given == meant[: len(given)]
            assert len(given) == len(meant) or sum(map(len, given)) >= logfile.MOST_BYTES
            assert window.total == len(lines)
            assert window.offset == offsets[min(first - 1, len(lines))]
            assert window.end == offsets[min(first - 1 + len(given), len(lines))]

            offset, length = data.draw(st.integers(0, len(text) + 3)), data.draw(st.integers(0, 600_000))
            assert log.read(offset, length) == text[offset : offset + length]
            assert log.line_of(offset) == text.count(b"\n", 0, offset) + 1
            assert log.offset_of(first) == offsets[min(first - 1, len(lines))]
    remove_log(path)
    assert not log_exists(path)


@settings(max_examples=60, deadline=None)
@given(TEXTS, st.booleans(), st.booleans(), st.data())
@pytest.mark.slow
def test_any_search(folder: Path, text: bytes, packed: bool, ignore_case: bool, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, max(0, len(text) - 1)))
    pattern = text[place : place + data.draw(st.integers(1, 9))].split(b"\n")[0] or b"RED"
    first, limit = data.draw(st.integers(1, 5)), data.draw(st.sampled_from([1, 3, 10**9]))
    most = data.draw(st.sampled_from([1, 1 << 20, 64 << 20]))
    fold: Callable[[bytes], bytes] = bytes.lower if ignore_case else bytes
    meant = [
        number
        for number, line in enumerate(naive_lines(text), 1)
        if number >= first and fold(pattern) in fold(line)
    ]
    path = stored(folder, text, packed=packed)
    found: list[int] = []
    with LogFile.open(path) as log:
        while True:
            matches = log.search(
                pattern, first_line=first, limit=limit, ignore_case=ignore_case, most_bytes=most
            )
            assert len(matches.lines) <= limit
            found += matches.lines
            if matches.complete or len(found) > 20:
                break
            assert matches.scanned_to >= first
            first = matches.scanned_to + 1
    assert found == meant[: len(found)]
    assert not matches.complete or (found == meant and matches.scanned_to == log_lines(text))
    remove_log(path)


def log_lines(text: bytes) -> int:
    return len(naive_lines(text))


def test_a_pattern_that_lies_across_two_pieces_is_found(tmp_path: Path) -> None:
    text = b"x" * ((1 << 20) - 3) + b"needle\n" + b"y\n" * 10
    path = stored(tmp_path, text, packed=False)
    with LogFile.open(path) as log:
        assert log.search(b"needle") == Matches((1,), complete=True, scanned_to=11)
        assert log.search(b"NEEDLE", ignore_case=True).lines == (1,)
        assert log.search(b"NEEDLE").lines == ()
    with pytest.raises(ValueError, match="part of one line"):
        log.search(b"a\nb")


@pytest.mark.parametrize("packed", [False, True])
def test_a_long_line_is_cut_and_its_length_told(tmp_path: Path, packed: bool) -> None:
    text = b"before\n" + b"z" * 6_000_000 + b"\nafter\n"
    with LogFile.open(stored(tmp_path, text, packed=packed)) as log:
        window = log.window(1, 10)
        assert window == Window(1, (b"before", shown(b"z" * 6_000_000), b"after"), 0, len(text), 3)
        assert window.lines[1].endswith("… [cut: this line has 6,000,000 bytes]".encode())


@pytest.mark.parametrize("packed", [False, True])
def test_a_window_of_much_text_ends_early_and_can_be_gone_on_with(tmp_path: Path, packed: bool) -> None:
    text = b"".join(b"%06d %s\n" % (number, b"w" * 60_000) for number in range(200))
    with LogFile.open(stored(tmp_path, text, packed=packed)) as log:
        seen: list[bytes] = []
        while len(seen) < 200:
            window = log.window(len(seen) + 1, 200)
            assert 60 < len(window.lines) < 90
            seen += window.lines
            if len(seen) > 150:
                break
    assert seen == naive_lines(text)[: len(seen)]


def test_a_log_that_grows_is_told_as_it_is_now(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with LogFile.open(path) as log:
        assert (log.path, log.size, log.lines, log.is_complete) == (None, 0, 0, False)
        assert log.window(1, 5) == Window(1, (), 0, 0, 0)
        assert log.search(b"x") == Matches((), complete=True, scanned_to=0)
        assert (log.line_of(7), log.offset_of(7), log.read(0, 10)) == (1, 0, b"")
        with path.open("ab", buffering=0) as file:
            file.write(b"one\ntw")
            assert log.window(1, 5) == Window(1, (b"one", b"tw"), 0, 6, 2)
            file.write(b"o\n")
            assert log.window(2, 5) == Window(2, (b"two",), 4, 8, 2)
            file.write(b"three\n" * 100_000)
            assert (log.lines, log.window(100_002, 5).lines) == (100_002, (b"three",))
            assert (log.path, log.size) == (path, 600_008)


def test_a_log_cut_and_grown_again_is_counted_rightly(tmp_path: Path) -> None:
    """As when a run is taken over: the log is cut to what was stored of it."""
    path = tmp_path / "log"
    path.write_bytes(b"a\n" * 500_000)
    with LogFile.open(path) as log:
        assert log.lines == 500_000
        os.truncate(path, 300_001)
        assert (log.lines, log.size, log.offset_of(150_001)) == (150_001, 300_001, 300_000)
        with path.open("ab") as file:
            file.write(b"\n" + b"longer\n" * 100_000)
        assert (log.lines, log.window(250_001, 1).lines) == (250_001, (b"longer",))


def test_only_what_is_new_of_a_growing_log_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"line\n" * 1_000_000)
    with LogFile.open(path) as log:
        assert log.lines == 1_000_000
        read: list[int] = []
        real = os.pread
        monkeypatch.setattr(
            os, "pread", lambda file, n, at: read.append(len(data := real(file, n, at))) or data
        )
        with path.open("ab") as file:
            file.write(b"new\n" * 10)
        assert log.window(1_000_001, 10).lines == (b"new",) * 10
        with LogFile.open(path) as another:
            assert another.lines == 1_000_010
    # The new bytes, the blocks in which the window begins and ends, the window, last bytes; not 5 MB.
    assert sum(read) < 600_000


def test_readers_go_on_while_it_is_packed(tmp_path: Path) -> None:
    text = b"".join(b"line %d\n" % number for number in range(50_000))
    path = stored(tmp_path, text, packed=False)
    before = LogFile.open(path)
    assert compress(path)
    after = LogFile.open(path)
    assert (before.path, after.path) == (path, packed_path(path))
    for log in (before, after):
        assert log.read(0, len(text) + 1) == text
        assert log.window(40_000, 2).lines == (b"line 39999", b"line 40000")
        log.close()
    with pytest.raises(ValueError, match="closed"):
        after.read(0, 1)


def test_many_threads_read_one_log_while_it_grows(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"")
    faults: list[str] = []
    done = threading.Event()

    def look(log: LogFile) -> None:
        while not done.is_set() or log.lines < 40_000:
            total = log.lines
            window = log.window(max(1, total - 10), 50)
            for number, line in enumerate(window.lines[:-1], window.first):
                if line != b"line %d" % number:
                    faults.append(f"{number}: {line!r}")
            if faults:
                return

    with LogFile.open(path) as log:
        threads = [threading.Thread(target=look, args=(log,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        with path.open("ab", buffering=0) as file:
            for start in range(1, 40_001, 400):
                file.write(b"".join(b"line %d\n" % number for number in range(start, start + 400)))
        done.set()
        for thread in threads:
            thread.join()
    assert faults == []


# Packing


@pytest.mark.parametrize("size", [0, 1, 262_143, 262_144, 262_145, 3_000_000])
def test_any_gzip_program_reads_a_packed_log(tmp_path: Path, size: int) -> None:
    text = (b"some text that repeats\n" * (size // 20 + 1))[:size]
    path = stored(tmp_path, text, packed=True)
    packed = packed_path(path)
    assert gzip.decompress(packed.read_bytes()) == text
    assert subprocess.run(["gzip", "-dc", packed], capture_output=True, check=True).stdout == text
    assert packed.stat().st_mode & 0o777 == 0o600
    with LogFile.open(path) as log:
        assert (log.size, log.lines) == (size, log_lines(text))


def test_packing_is_safe_to_repeat(tmp_path: Path) -> None:
    path = tmp_path / "log"
    assert not compress(path)
    path.write_bytes(b"text\n")
    os.utime(path, (1_700_000_000, 1_700_000_000))
    # A kill left the beginning of a packed file; another one came between its name and the plain file's end.
    path.with_name("log.partial").write_bytes(b"\x1f\x8b half")
    packed_path(path).write_bytes(b"an older one")
    assert compress(path)
    assert not compress(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["log.gz"]
    assert packed_path(path).stat().st_mtime == 1_700_000_000
    with LogFile.open(path) as log:
        assert log.read(0, 9) == b"text\n"


@pytest.mark.parametrize("damage", ["cut", "index", "text", "foreign"])
def test_a_damaged_packed_log_is_told_as_such(tmp_path: Path, damage: str) -> None:
    path = stored(tmp_path, os.urandom(300_000), packed=True)
    packed = packed_path(path)
    data = bytearray(packed.read_bytes())
    match damage:
        case "cut":
            del data[-20:]
        case "index":
            data[-70] ^= 1
        case "text":
            data[1000] ^= 1
        case _:
            data = bytearray(gzip.compress(b"packed by hand\n"))
    packed.write_bytes(data)
    with pytest.raises(LogDamaged, match="is damaged"), LogFile.open(path) as log:
        log.read(0, 300_000)


@pytest.mark.slow
def test_a_window_of_a_million_lines_reads_little_more_than_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So a log of 64 MiB opens and scrolls at once; how quickly is measured by the benchmarks."""
    taken = 0
    read = os.pread

    def counted(file: int, length: int, offset: int) -> bytes:
        nonlocal taken
        data = read(file, length, offset)
        taken += len(data)
        return data

    monkeypatch.setattr(os, "pread", counted)
    path = stored(tmp_path, b"".join(b"%066d\n" % number for number in range(1_000_000)), packed=False)
    for form in ("plain", "packed"):
        log = LogFile.open(path)
        assert log.lines == 1_000_000
        for first in (1, 333_333, 500_000, 999_500):
            taken = 0
            assert log.window(first, 500).lines[0] == b"%066d" % (first - 1)
            assert taken < 2 << 20, (form, first)
        log.close()
        compress(path)
