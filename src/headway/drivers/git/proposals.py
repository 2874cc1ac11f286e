"""Trying a working tree on the server: what it lacks of the tree travels as a thin bundle of git.

`make_proposal` runs where the working tree is and changes nothing there: uncommitted changes become a commit on top of
HEAD whose objects lie in our mirror. `take_in` runs on the server; what it takes in is checked apart first, then held
by a hidden ref, which is dropped when nobody needs the try any more (`Bare.drop`). Both block.

ProposalError              2
├── ProposalTooLarge       2   what the server lacks is more than may be sent
├── ProposalUnrelated      2   the server lacks the commits that the bundle builds on
└── ProposalRefused        2   damaged, or made to harm whoever checks it out
"""

import asyncio
import os
import re
import secrets
import shutil
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from headway.base.clock import to_milliseconds
from headway.base.errors import DiskFull, WrongUse
from headway.domain.commit import Commit, Source
from headway.drivers.git.bare import TOLERATED, Bare
from headway.drivers.git.call import LONG_WORK, GitCall
from headway.drivers.git.child import CHUNK, answered, once
from headway.drivers.git.mirror import disk_error, quoted, take_objects
from headway.drivers.git.process import OutputTooLong, explain, server_environment
from headway.drivers.git.repository import Git

MOST_BYTES = 64 * 1024 * 1024
#: The author of uncommitted changes. A fixed one, at HEAD's time: the same changes are the same commit.
_AUTHOR = {"NAME": "headway try", "EMAIL": "try@headway.invalid"}
_RECENT, _TIPS = 256, 128
_SIGNATURE = b"# v2 git bundle\n"
_HEADER_BYTES = 65536
_SHA = re.compile(rb"[0-9a-f]{40}")
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_STRICT = "--strict=" + ",".join(f"{fault}=warn" for fault in TOLERATED)


class ProposalError(WrongUse):
    pass


class ProposalTooLarge(ProposalError):
    pass


class ProposalUnrelated(ProposalError):
    pass


class ProposalRefused(ProposalError):
    pass


@dataclass(frozen=True, slots=True)
class Proposal:
    """A working tree, as the server is asked to run it."""

    #: What is to be run: HEAD, or the commit on top of it that holds the uncommitted changes.
    commit: str
    tree: str
    #: HEAD.
    head: Commit
    #: The nearest commit of HEAD's history that the server has; None: none of those it was asked about.
    base: str | None
    dirty: bool
    branch: str | None
    bundle: bytes = field(repr=False)


def candidates(git: Git, folder: Path) -> tuple[str, ...]:
    """Commits to ask the server about, nearest first: recent ones, then ever rarer, then what remotes had last."""
    recent = _lines(git, folder, "rev-list", f"--max-count={_RECENT}", "HEAD")
    line = _lines(git, folder, "rev-list", "--first-parent", "HEAD")
    rare = [line[_RECENT << power] for power in range(20) if _RECENT << power < len(line)]
    tips = _lines(git, folder, "for-each-ref", f"--count={_TIPS}", "--format=%(objectname)", "refs/remotes")
    return tuple(dict.fromkeys([*recent, *rare, *tips]))


def make_proposal(
    git: Git, folder: Path, server_has: Collection[str], *, most_bytes: int = MOST_BYTES
) -> Proposal:
    """The working tree around `folder`, and what a server lacks of it that has the commits `server_has`.

    Raises what `Git.inspect` raises, and ProposalTooLarge.
    """
    source = git.inspect(folder)
    top = Path(source.repository)
    objects = quoted(git.mirror_of(source.repository).objects)
    environment = {**git.environment, "GIT_ALTERNATE_OBJECT_DIRECTORIES": objects}
    commit = _commit_of(git, source) if source.dirty else source.commit.sha
    known = [sha for sha in candidates(git, top) if sha in server_has]
    asked = "".join([f"{commit}\n", *(f"^{sha}\n" for sha in known)]).encode()
    question = ["rev-list", "--boundary", "--stdin"]
    listed = GitCall(
        question, folder=top, environment=environment, place=str(top), feed=asked, bounds=LONG_WORK
    ).output()
    needed = sorted(line for line in listed.splitlines() if line.startswith(b"-"))
    head = b"\n".join([_SIGNATURE.strip(), *needed, f"{commit} refs/headway/try".encode(), b"\n"])
    pack = _packed(top, environment, asked, most_bytes - len(head))
    return Proposal(
        commit=commit,
        tree=source.tree,
        head=source.commit,
        base=known[0] if known else None,
        dirty=source.dirty,
        branch=source.branch,
        bundle=head + pack,
    )


def take_in(bare: Bare, name: str, bundle: BinaryIO, *, most_bytes: int = MOST_BYTES) -> Commit:
    """The commit of a bundle, kept in the server's repository as try `name` (small letters, digits, dashes).

    Nothing is kept of a bundle that is refused. Raises ProposalError and its kinds, DiskFull, GitError.
    """
    if not _ID.fullmatch(name):
        raise ProposalRefused(f"{name!r} is no name of a try", hint="small letters, digits and dashes")
    commit, needed, rest = _header(bundle)
    if missing := needed - bare.known(needed):
        raise ProposalUnrelated(
            f"the server lacks commit {min(missing)[:12]}, on which the changes build",
            hint="push your branch, or ask again what the server has",
        )
    incoming = bare.folder / f"headway-incoming.{secrets.token_hex(4)}"
    try:
        (incoming / "objects/pack").mkdir(parents=True)
        _unpack(bare, incoming / "objects", rest, bundle, most_bytes)
        _check_whole(bare, incoming / "objects", commit)
        take_objects(incoming / "objects", bare.folder / "objects")
        bare.keep(f"tries/{name}", commit)
    except OSError as error:
        raise disk_error(error, f"the repository {bare.folder}") from error
    finally:
        shutil.rmtree(incoming, ignore_errors=True)
    return bare.commit(commit)


def _commit_of(git: Git, source: Source) -> str:
    """A commit of the uncommitted changes on top of HEAD, written into the mirror."""
    mirror = git.mirror_of(source.repository)
    seconds = max(0, to_milliseconds(source.commit.committed_at) // 1000)
    people = {
        f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in _AUTHOR.items()
    }
    environment = {
        **git.environment,
        **people,
        "GIT_AUTHOR_DATE": f"@{seconds} +0000",
        "GIT_COMMITTER_DATE": f"@{seconds} +0000",
        "GIT_OBJECT_DIRECTORY": str(mirror.objects),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": quoted(mirror.borrowed),
    }
    subject = f"Uncommitted changes on {source.branch or source.commit.sha[:12]}"
    question = [
        "-c",
        "i18n.commitEncoding=UTF-8",
        "commit-tree",
        source.tree,
        "-p",
        source.commit.sha,
        "-m",
        subject,
    ]
    place = source.repository
    return (
        GitCall(question, folder=Path(place), environment=environment, place=place).output().decode().strip()
    )


def _packed(top: Path, environment: Mapping[str, str], asked: bytes, most: int) -> bytes:
    question = ["pack-objects", "--revs", "--thin", "--stdout", "--delta-base-offset", "--quiet"]
    try:
        work = answered(question, environment=environment, folder=str(top), most=most, feed=once(asked))
        code, pack, complaint = asyncio.run(work)
    except OutputTooLong:
        raise ProposalTooLarge(
            f"what the server lacks of {top} is more than {most // 1024 // 1024} MiB",
            hint="push your branch first, then only the changes travel; or ignore large files (.gitignore)",
        ) from None
    if code != 0:
        raise explain(complaint, str(top))
    return pack


def _header(bundle: BinaryIO) -> tuple[str, frozenset[str], bytes]:
    """The bundle's commit, what it builds on, and what was read of the pack behind it."""
    read = bundle.read(_HEADER_BYTES)
    head, blank, rest = read.partition(b"\n\n")
    lines = head.removeprefix(_SIGNATURE).split(b"\n")
    commit, _, ref = lines.pop().partition(b" ")
    needed = [line[1:41] for line in lines]
    whole = all(line.startswith(b"-") for line in lines) and all(map(_SHA.fullmatch, [commit, *needed]))
    if not (head.startswith(_SIGNATURE) and blank and ref and whole):
        raise ProposalRefused("what was sent is no bundle of git with one commit", hint="send it anew")
    return commit.decode(), frozenset(sha.decode() for sha in needed), rest


def _unpack(bare: Bare, objects: Path, begun: bytes, rest: BinaryIO, most: int) -> None:
    if begun[:4] == b"PACK" and begun[8:12] == b"\0\0\0\0":
        return  # A pack without objects: the server has them all.
    question = ["index-pack", "--stdin", "--fix-thin", _STRICT, f"--max-input-size={most}"]
    work = answered(
        question,
        environment=_apart(bare, objects),
        folder=str(bare.folder),
        most=65536,
        feed=_pieces(begun, rest),
    )
    code, _, complaint = asyncio.run(work)
    if code == 0:
        return
    if "maximum allowed size" in complaint:
        raise ProposalTooLarge(
            f"the bundle is larger than {most // 1024 // 1024} MiB", hint="push your branch"
        )
    error = explain(complaint, str(bare.folder))
    raise (
        error
        if isinstance(error, DiskFull)
        else ProposalRefused(f"the bundle is refused: {_said(complaint)}")
    )


async def _pieces(begun: bytes, rest: BinaryIO) -> AsyncIterator[bytes]:
    piece = begun
    while piece:
        yield piece
        piece = rest.read(CHUNK)


def _check_whole(bare: Bare, objects: Path, commit: str) -> None:
    """That it is a commit, and that all it reaches is here: a missing object would come to light in the middle of a job."""
    question = ["rev-list", "--objects", "--quiet", f"{commit}^{{commit}}", "--not", "--all"]
    place = str(bare.folder)
    call = GitCall(question, folder=bare.folder, environment=_apart(bare, objects), place=place)
    code, _, complaint = call.finish()
    if code != 0:
        raise ProposalRefused(f"the bundle does not hold all of its commit: {_said(complaint)}")


def _apart(bare: Bare, objects: Path) -> dict[str, str]:
    """The environment in which new objects go into a folder of their own."""
    return {
        **server_environment(bare.environment),
        "GIT_DIR": str(bare.folder),
        "GIT_OBJECT_DIRECTORY": str(objects),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": quoted(bare.folder / "objects"),
    }


def _lines(git: Git, folder: Path, *question: str) -> list[str]:
    call = GitCall(question, folder=folder, environment=git.environment, place=str(folder))
    return os.fsdecode(call.output()).split()


def _said(complaint: str) -> str:
    line = next(
        (line for line in complaint.splitlines() if line.startswith(("fatal:", "error:"))), "it is damaged"
    )
    return "".join(character for character in line if character.isprintable())[:200]
