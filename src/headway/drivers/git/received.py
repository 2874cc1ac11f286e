"""The journal of pushes: what a repository received, written by git's own hook before the pusher is answered.

A push may come over HTTP or by the folder's path, and whoever takes it in may be dead at that moment; so the hook
writes one file for each push, whole and on the disk, into `headway-received/` of the repository. The server reads the
files in order (`received`) and removes what it has stored (`forget`).

The journal is a sender's name and a wish to be quick, not the truth. A push that was killed between its refs and its
hook has no file, and of two pushes to one branch at one time the second may be noted first: what holds is what the
refs say, and the intake compares them.
"""

import asyncio
import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

FOLDER = "headway-received"
#: Beside the folder of repositories: into this pipe the hook writes whose journal has something new, if a server listens.
PIPE = "headway.pushed"
#: The hook greets the pusher with at most so many links.
_LINKS = 5
_LONGEST_NAME = 200
_REPOSITORY = re.compile(rb"[A-Za-z0-9_-]{1,200}")
_NAME = re.compile(r"([0-9]{10,20})-([0-9]{1,10})")
_LINE = re.compile(rb"([0-9a-f]{40}|[0-9a-f]{64}) ([0-9a-f]{40}|[0-9a-f]{64}) (refs/[^\0\n]+)")

# `date +%N` and `sync FILE` are not everywhere (busybox): then the name has whole seconds, then the whole disk is
# written out. The file stays open under descriptor 3, because the server may take it away as soon as it has its name.
_HOOK = f"""\
#!/bin/sh
# Written by Headway, and written anew when changed: notes each push before the pusher is answered.
umask 077
folder={FOLDER}
stamp=$(date +%s%N)
case $stamp in *[!0-9]*) stamp=$(date +%s)000000000 ;; esac
part=$folder/.$stamp-$$
mkdir -p "$folder"
if {{ printf 'headway-received 1\\nsender %s\\n' "${{HEADWAY_SENDER:-}}"; cat; }} >"$part" &&
    {{ sync "$part" 2>/dev/null || sync; }} && exec 3<"$part" && mv "$part" "$folder/$stamp-$$"; then
    sync "$folder" 2>/dev/null || :
    # Apart and for some seconds, so that nobody waits for a server that is dead or hangs.
    if [ -p ../../{PIPE} ]; then
        timeout 5 sh -c 'printf "%s\\n" "$1" >../../{PIPE}' sh "${{PWD##*/}}" >/dev/null 2>&1 3<&- &
    fi
else
    rm -f "$part"
    echo "headway: the push is stored but could not be noted; it is found at the next look"
    exit 0
fi
links=0
while read -r _ new ref <&3; do
    case $ref in refs/heads/*) ;; *) continue ;; esac
    case $new in *[!0]*) ;; *) continue ;; esac
    # The first branch that is pushed becomes the default one, if the one that was named never came.
    [ "$links" -gt 0 ] || git rev-parse --verify --quiet HEAD >/dev/null || git symbolic-ref HEAD "$ref"
    links=$((links + 1))
    if [ -n "${{HEADWAY_LINK:-}}" ] && [ "$links" -le {_LINKS} ]; then
        printf 'headway: %s: %s%s\\n' "${{ref#refs/heads/}}" "$HEADWAY_LINK" "$new"
    fi
done
if [ -n "${{HEADWAY_LINK:-}}" ] && [ "$links" -gt {_LINKS} ]; then
    echo "headway: and $((links - {_LINKS})) more branches"
fi
exit 0
"""


@dataclass(frozen=True, slots=True)
class RefChange:
    """One line of a push. `old` is None for a new ref, `new` for a deleted one; ids are of the ref, not peeled."""

    old: str | None
    new: str | None
    ref: str


@dataclass(frozen=True, slots=True)
class Received:
    """One push. Refs whose names are not UTF-8 are left out: no page could name them."""

    file: Path
    sender: str
    lines: tuple[RefChange, ...]


def install_hook(repository: Path) -> None:
    """Makes this version's hook the repository's `post-receive`. Raises OSError."""
    path = repository / "hooks/post-receive"
    with suppress(FileNotFoundError):
        if path.read_text() == _HOOK and os.access(path, os.X_OK):
            return
    path.parent.mkdir(exist_ok=True)
    partial = path.with_name(f".post-receive.{secrets.token_hex(4)}")
    partial.write_text(_HOOK)
    partial.chmod(0o755)
    partial.rename(path)


def received(repository: Path) -> list[Received]:
    """The pushes that nobody forgot yet, in the order in which they were noted."""
    notes = [path for path in (repository / FOLDER).glob("*-*") if _NAME.fullmatch(path.name)]
    return [_read(path) for path in sorted(notes, key=_order)]


def forget(push: Received) -> None:
    """Removes the note of a push that was stored elsewhere; one that is gone already is fine."""
    push.file.unlink(missing_ok=True)


def sweep_parts(repository: Path, *, older_than: datetime) -> None:
    """Removes notes that were never finished, last written before."""
    for path in (repository / FOLDER).glob(".*-*"):
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < older_than.timestamp():
                path.unlink()


@contextmanager
def listening(data: Path, told: Callable[[str], None]) -> Iterator[None]:
    """Calls `told` with the name of each repository (without `.git`) that somebody pushed to by path or SSH, in the running
    loop. A wake-up and no more: what it misses is found at the next look. Raises OSError."""
    pipe = data / PIPE
    with suppress(FileNotFoundError):
        pipe.unlink()
    os.mkfifo(pipe, 0o600)
    descriptor = os.open(pipe, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    rest = b""

    def read() -> None:
        nonlocal rest
        try:
            rest += os.read(descriptor, 65536)
        except BlockingIOError:
            return
        *lines, rest = rest.split(b"\n")
        rest = rest[-_LONGEST_NAME:]
        for name in {line.removesuffix(b".git") for line in lines}:
            if _REPOSITORY.fullmatch(name):
                told(name.decode())

    loop = asyncio.get_running_loop()
    loop.add_reader(descriptor, read)
    try:
        yield
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
        with suppress(OSError):
            pipe.unlink()


def _order(note: Path) -> tuple[int, ...]:
    return tuple(int(word) for word in note.name.split("-"))


def _read(path: Path) -> Received:
    head, _, rest = path.read_bytes().partition(b"\n")
    sender, _, rest = rest.partition(b"\n")
    if head != b"headway-received 1" or not sender.startswith(b"sender "):
        # A disk that lost power may have kept the name and lost the content: refs tell what came.
        return Received(path, "", ())
    lines = [change for line in rest.splitlines() if (change := _change(line)) is not None]
    return Received(path, sender.removeprefix(b"sender ").decode(errors="replace"), tuple(lines))


def _change(line: bytes) -> RefChange | None:
    found = _LINE.fullmatch(line)
    if found is None:
        return None
    with suppress(UnicodeDecodeError):
        return RefChange(_id(found[1]), _id(found[2]), found[3].decode())
    return None


def _id(sha: bytes) -> str | None:
    return sha.decode() if sha.strip(b"0") else None
