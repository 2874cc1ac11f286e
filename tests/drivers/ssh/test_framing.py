"""Quoting, frames and caps, against real shells and without a connection."""

import os
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.base.errors import WrongUse
from headway.drivers.ssh.framing import (
    Capped,
    Frame,
    Reply,
    bootstrap_line,
    exports,
    printable,
    quote,
    quote_all,
)

SHELLS = [
    shell
    for shell in (["dash"], ["bash", "--posix"], ["busybox", "sh"])
    if shutil.which(shell[0]) is not None
]
shells = pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])


def said(shell: list[str], script: bytes) -> bytes:
    return subprocess.run(
        [*shell, "-s"],
        check=False,
        input=script,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        timeout=10,
    ).stdout


HOSTILE = [
    "; rm -rf /",
    "$(touch pwned) `id` ${HOME}",
    "it's 'quoted' \"twice\"",
    "two\nlines\n",
    "-n",
    "*?[a]",
    "",
    "back\\slash \\n \\0101",
    "ünïcode ☃",
    os.fsdecode(b"not \xff utf-8 \xfe"),
    "!history ~root #comment",
    "%s%d",
]


@shells
def test_words_reach_a_program_as_they_are(shell: list[str]) -> None:
    script = f"printf '<%s>' {quote_all(HOSTILE)}\n".encode("utf-8", "surrogateescape")
    assert said(shell, script) == b"".join(b"<" + os.fsencode(word) + b">" for word in HOSTILE)


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=60).filter(lambda data: b"\0" not in data))
def test_any_bytes_survive_quoting(data: bytes) -> None:
    script = f"printf %s {quote(os.fsdecode(data))}\n".encode("utf-8", "surrogateescape")
    assert said(SHELLS[0], script) == data


def test_a_nul_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(WrongUse, match="NUL"):
        quote("a\0b")
    with pytest.raises(WrongUse, match="NUL"):
        bootstrap_line("a\0b")


@shells
def test_an_environment_is_data(shell: list[str]) -> None:
    env = {f"V{number}": word for number, word in enumerate(HOSTILE)}
    shown = "; ".join(f"printf '<%s>' \"$V{number}\"" for number in range(len(HOSTILE)))
    script = f"{exports(env)}{shown}\n".encode("utf-8", "surrogateescape")
    assert said(shell, script) == b"".join(b"<" + os.fsencode(word) + b">" for word in HOSTILE)


@pytest.mark.parametrize("name", ["1A", "A-B", "A B", "A;id", ""])
def test_a_name_that_no_shell_takes_is_refused(name: str) -> None:
    with pytest.raises(WrongUse, match="environment variable"):
        exports({name: "x"})


@shells
def test_every_byte_can_be_printed(shell: list[str]) -> None:
    data = bytes(range(256)) * 3
    assert said(shell, f"printf %b {printable(data)}\n".encode()) == data


@shells
def test_a_bootstrap_leaves_what_follows_to_the_script(shell: list[str]) -> None:
    script = "printf 'a\\\\b|%s|' 'two\nlines'; cat"
    line = bootstrap_line(script) + b"the rest\0\xff"
    done = subprocess.run(
        [*shell, "-c", 'IFS= read -r line && eval "$(printf %b "$line")"'],
        check=True,
        input=line,
        stdout=subprocess.PIPE,
        timeout=10,
    )
    assert done.stdout == b"a\\b|two\nlines|the rest\0\xff"


def exchange(shell: list[str], scripts: list[str], limit: int = 4096, size: int = 7) -> list[Reply]:
    """Sends all frames at once, feeds the answers in small pieces."""
    frames = [Frame(f"n{number}", limit) for number in range(len(scripts))]
    output = said(shell, b"".join(frame.send(script) for frame, script in zip(frames, scripts, strict=True)))
    replies = []
    for frame in frames:
        fresh = Frame(frame.nonce, limit)
        found = None
        for start in range(0, len(output), size):
            found = fresh.feed(output[start : start + size])
            if found is not None:
                break
        assert found is not None, output
        replies.append(found)
    return replies


@shells
def test_frames_are_told_apart_whatever_a_script_does(shell: list[str]) -> None:
    scripts = [
        "echo first; exit 3",
        "echo 'an open quote",
        "cat; echo read nothing",
        "printf 'no newline'; echo error >&2",
        "cd /; x=1",
        'printf %s "$PWD${x-unset}" | grep -c unset',
        "printf 'a\\0\\377b'",
        "exec sh -c 'exit 9'",
        "exit 0",
    ]
    first, broken, empty, error, moved, kept, binary, ran, last = exchange(shell, scripts)
    assert (first.exit_code, first.output) == (3, b"first\n")
    assert broken.exit_code != 0
    assert empty.output == b"read nothing\n"
    assert error.output == b"no newlineerror\n"
    assert moved.ok
    assert kept.output == b"1\n"
    assert binary.output == b"a\0\xffb"
    assert ran.exit_code == 9
    assert last.ok and last.output == b""


def test_bytes_before_the_begin_mark_are_not_the_reply() -> None:
    frame = Frame("n", 100)
    assert frame.feed(b"Welcome!\nstray <n") is None
    assert frame.feed(b">\nmine</n") is None
    assert frame.feed(b"> 4") is None
    assert frame.feed(b"\n") == Reply(4, b"mine")


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.binary(max_size=40), max_size=30),
    st.integers(min_value=2, max_value=64),
)
def test_a_cap_keeps_head_and_tail_and_counts_the_rest(pieces: list[bytes], limit: int) -> None:
    capped = Capped(limit)
    for piece in pieces:
        capped.add(piece)
    whole = b"".join(pieces)
    half = limit // 2
    if len(whole) <= 2 * half:
        assert capped.value() == (whole, 0)
    else:
        kept, dropped = capped.value()
        # Whole lines only: half of a secret would not be masked.
        head, tail = whole[:half].rpartition(b"\n"), whole[-half:].partition(b"\n")
        beginning, end = head[0] + head[1], tail[2] if tail[1] else b""
        assert kept == beginning + f"\n[… {dropped} bytes of output dropped here …]\n".encode() + end
        assert dropped == len(whole) - len(beginning) - len(end)


def test_a_cap_needs_no_more_memory_than_it_keeps() -> None:
    capped = Capped(1000)
    for _ in range(2000):
        capped.add(b"x" * 10_000)
    assert len(capped._tail) < 100_000
    assert capped.value()[1] == 20_000_000
