"""Repositories elsewhere: asked for their refs, and fetched from into a bare repository under the same names.

All functions block; the engine calls them in a thread. One fetch at a time works in a folder: a lock file makes others
wait, of other processes too, and is let go of when git has ended, even if we were killed before. `talk` says how git
is let to the network, and with which errors it comes back.
"""

import fcntl
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from headway.base.clock import SystemClock
from headway.base.errors import WrongUse
from headway.drivers.git.addresses import Address, UnwelcomeAddress, check_url
from headway.drivers.git.call import GitCall
from headway.drivers.git.process import git_environment
from headway.drivers.git.talk import (
    Credentials,
    RefGone,
    RefInTheWay,
    RemoteError,
    RemoteGone,
    RemoteRefused,
    RemoteTooLarge,
    RemoteUnreachable,
    RemoteUnsafe,
    asked,
)

__all__ = [
    "Credentials",
    "RemoteError",
    "RemoteGone",
    "RemoteRefs",
    "RemoteRefused",
    "RemoteTooLarge",
    "RemoteUnreachable",
    "RemoteUnsafe",
    "UnwelcomeAddress",
    "check_url",
    "fetch",
    "list_refs",
]


#: A ref by its whole name; what git does not take in one (check-ref-format) is not all here, git says the rest.
_WHOLE = re.compile(r"refs/[^\s\0-\x1f\x7f:~^?\[\\]+")


@dataclass(frozen=True, slots=True)
class RemoteRefs:
    """Branches and tags by whole name; of an annotated tag the commit's id. Names that are not UTF-8 are left out."""

    refs: Mapping[str, str]
    default_branch: str | None


def list_refs(
    url: str,
    credentials: Credentials,
    environment: Mapping[str, str],
    *,
    allow_files: bool = True,
    seconds: float = 60.0,
) -> RemoteRefs:
    """What branches and tags there are, and which branch is the default one.

    Raises UnwelcomeAddress, RemoteError and its kinds.
    """
    address = check_url(url, allow_files=allow_files)
    question = ("ls-remote", "--symref", "--", url, "HEAD", "refs/heads/*", "refs/tags/*")
    return _refs(asked(question, address, credentials, git_environment(environment), seconds))


def fetch(
    folder: Path,
    url: str,
    refs: Sequence[str],
    credentials: Credentials,
    environment: Mapping[str, str],
    *,
    prune: bool = False,
    allow_files: bool = True,
    seconds: float = 1800.0,
    most: int | None = None,
) -> tuple[str, ...]:
    """Brings these refs (`refs/heads/main`, `refs/heads/*`, `refs/pull/7/head`) into the bare repository at `folder`,
    under the same names, moved back as well as forward. Answers with those that are not there any more.

    `prune` removes what is gone there of what a wanted ref with a `*` covers. Everything is checked as it comes in; more
    than `most` bytes do not come, and nothing of them stays.
    Raises UnwelcomeAddress, RemoteError and its kinds, DiskFull.
    """
    address = check_url(url, allow_files=allow_files)
    if unknown := [ref for ref in refs if not _WHOLE.fullmatch(ref) or ref.startswith("refs/headway/")]:
        raise WrongUse(f"{unknown[0]!r} is no whole name of a ref", hint="name it like refs/heads/main")
    wanted = list(dict.fromkeys(refs))
    variables = git_environment(environment) | {"GIT_DIR": str(folder)}
    options = ["--force", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--quiet"]
    question = [
        "fetch",
        *options,
        "--no-auto-maintenance",
        *(["--prune"] if prune else []),
        "--stdin",
        "--",
        url,
    ]
    gone: list[str] = []
    with _alone(folder, seconds) as lock:
        for attempt in (1, 2, 3):
            if not wanted:
                break
            try:
                feed = "".join(f"+{ref}:{ref}\n" for ref in wanted)
                asked(
                    question, address, credentials, variables, seconds, feed=feed, holding=(lock,), most=most
                )
                break
            except RefGone:
                if attempt == 3:
                    raise RemoteUnreachable(
                        f"the refs of {url} change all the time", hint="try again"
                    ) from None
                there = _there(address, wanted, credentials, variables, seconds)
                gone += [ref for ref in wanted if not _matches(ref, there)]
                wanted = [ref for ref in wanted if _matches(ref, there)]
            except RefInTheWay:
                if attempt == 3:
                    raise
                _make_way(folder, wanted, variables)
            except RemoteError as error:
                if most is None or not _drop_packs_of(folder, most):
                    raise
                raise RemoteTooLarge(
                    f"{url} sends more than {most // 2**20} MiB for {', '.join(wanted)}",
                    hint="have it sent in smaller pieces, or push it yourself",
                ) from error
    return tuple(gone)


def _drop_packs_of(folder: Path, most: int) -> bool:
    """Removes what git could not write on with, because the kernel let it grow no further; whether there was any."""
    found = False
    for path in (folder / "objects/pack").glob("tmp_*"):
        with suppress(FileNotFoundError):
            if path.stat().st_size == most:
                path.unlink()
                found = True
    return found


def _there(
    address: Address,
    wanted: Sequence[str],
    credentials: Credentials,
    variables: Mapping[str, str],
    seconds: float,
) -> frozenset[str]:
    output = asked(("ls-remote", "--", address.url, *wanted), address, credentials, variables, seconds)
    return frozenset(os.fsdecode(line.partition(b"\t")[2]) for line in output.splitlines())


def _matches(ref: str, there: frozenset[str]) -> bool:
    return "*" in ref or ref in there


def _make_way(folder: Path, wanted: Sequence[str], variables: Mapping[str, str]) -> None:
    """Removes refs that lie above or below one that is to come: where it comes from they cannot be any more."""
    above = {ref.rsplit("/", cut)[0] for ref in wanted for cut in range(1, ref.count("/") - 1)}
    below = tuple(f"{ref}/" for ref in wanted if "*" not in ref)

    def call(*arguments: str, feed: bytes | None = None) -> bytes:
        return GitCall(arguments, folder=folder, environment=variables, place=str(folder), feed=feed).output()

    there = call("for-each-ref", "--format=%(refname)").splitlines()
    old = [ref for ref in map(os.fsdecode, there) if ref in above or ref.startswith(below)]
    call("update-ref", "--stdin", feed=os.fsencode("".join(f"delete {ref}\n" for ref in old)))


def _refs(output: bytes) -> RemoteRefs:
    found: dict[str, str] = {}
    default = None
    for line in output.splitlines():
        value, _, raw = line.partition(b"\t")
        try:
            name = raw.decode()
        except UnicodeDecodeError:
            continue
        if name == "HEAD" and value.startswith(b"ref: refs/heads/"):
            default = value.removeprefix(b"ref: refs/heads/").decode(errors="replace")
        elif name.startswith(("refs/heads/", "refs/tags/")):
            # Of an annotated tag a second line follows, with the commit's id.
            found[name.removesuffix("^{}")] = value.decode()
    return RemoteRefs(found, default)


@contextmanager
def _alone(folder: Path, seconds: float) -> Iterator[int]:
    """Holds the folder's lock; its descriptor. Raises RemoteUnreachable when another holds it for too long."""
    clock = SystemClock()
    lock = os.open(folder / "headway-fetch.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        until = clock.monotonic() + seconds
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if clock.monotonic() > until:
                    raise RemoteUnreachable(
                        f"another fetch into {folder} has not ended", hint="see which git runs there"
                    ) from None
                time.sleep(0.02)
        yield lock
    finally:
        os.close(lock)
