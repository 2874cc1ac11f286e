"""One request by git's own programs, without HTTP around it: its bounds, and that nothing is left of it."""

import asyncio
import base64
import gzip
import os
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from headway.drivers.git import GitError
from headway.drivers.git.bare import Bare, create_bare
from headway.drivers.git.hosting import (
    BodyBroken,
    BodyTooLarge,
    BodyTooSlow,
    HostingLimits,
    Push,
    SenderGone,
    Service,
    advertise,
    serve,
    unzipped,
)
from headway.drivers.git.process import TookTooLong
from headway.drivers.git.received import received
from tests.support.git_server import processes_about, zombies
from tests.support.repositories import ENVIRONMENT, Repository


@pytest.fixture
def bare(tmp_path: Path) -> Bare:
    return create_bare(tmp_path / "rep-1.git", "main", ENVIRONMENT)


class Said:
    """What was answered."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    async def __call__(self, piece: bytes) -> None:
        self.pieces.append(piece)

    def __bytes__(self) -> bytes:
        return b"".join(self.pieces)


async def pieces(*content: bytes, then: BaseException | float | None = None) -> AsyncIterator[bytes]:
    """These pieces; then a fault, or silence of so many seconds."""
    for piece in content:
        yield piece
    if isinstance(then, BaseException):
        raise then
    if then is not None:
        await asyncio.sleep(then)


def line(text: str) -> bytes:
    return f"{len(text.encode()) + 4:04x}{text}".encode()


def push_of(repository: Repository, ref: str, sha: str) -> bytes:
    """A push's body, as git sends it: a command, and a pack of all that the commit holds."""
    listed = repository.git("-c", "alias.p=!git pack-objects --revs --stdout -q <list | base64 -w0", "p")
    command = line(f"{'0' * 40} {sha} {ref}\0 report-status agent=test\n")
    return command + b"0000" + base64.b64decode(listed)


@pytest.fixture
def body(repository: Repository) -> bytes:
    sha = repository.commit({"a": os.urandom(200_000).hex()})
    (repository.folder / "list").write_text(sha + "\n")
    return push_of(repository, "refs/heads/main", sha)


async def nothing_left(bare: Bare) -> None:
    async with asyncio.timeout(5):
        while processes_about(bare.folder) or zombies():
            await asyncio.sleep(0.01)
    assert not list((bare.folder / "objects").glob("*incoming*"))


async def push(bare: Bare, body: AsyncIterator[bytes], said: Said, **limits: float) -> None:
    await serve(
        bare.folder,
        Service.PUSH,
        body,
        said,
        protocol="",
        environment=ENVIRONMENT,
        push=Push("ana\nroot 🙂", "http://x/c/"),
        limits=HostingLimits(**limits),  # type: ignore[arg-type]
    )


async def test_a_whole_push_is_carried_out(bare: Bare, body: bytes) -> None:
    said = Said()
    await push(bare, pieces(*(body[start : start + 1000] for start in range(0, len(body), 1000))), said)
    assert b"unpack ok" in bytes(said) and b"ok refs/heads/main" in bytes(said)
    assert list(bare.refs()) == ["refs/heads/main"]
    [note] = received(bare.folder)
    assert note.sender == "ana�root 🙂"
    await nothing_left(bare)


@pytest.mark.parametrize(
    ("then", "limits", "error"),
    [
        (SenderGone("left"), {}, SenderGone),
        (30.0, {"idle_seconds": 0.1}, BodyTooSlow),
        (30.0, {"whole_seconds": 0.1}, TookTooLong),
        (None, {"push_bytes": 100_000}, BodyTooLarge),
    ],
)
async def test_a_push_that_did_not_come_whole_changes_nothing(
    bare: Bare,
    body: bytes,
    then: BaseException | float | None,
    limits: dict[str, float],
    error: type[Exception],
) -> None:
    with pytest.raises(error):
        await push(bare, pieces(body[:150_000], then=then), Said(), **limits)
    assert bare.refs() == {} and received(bare.folder) == []
    await nothing_left(bare)


async def test_a_push_cut_anywhere_is_nothing_or_whole(bare: Bare, body: bytes) -> None:
    chance = random.Random(7)
    for cut in [0, 3, 4, *(chance.randrange(len(body)) for _ in range(8)), len(body) - 1]:
        with pytest.raises(SenderGone):
            await push(bare, pieces(body[:cut], then=SenderGone("left")), Said())
        assert bare.refs() == {}
    await push(bare, pieces(body), Said())
    assert len(bare.refs()) == 1
    await nothing_left(bare)


async def test_cancelled_it_leaves_no_process(bare: Bare, body: bytes) -> None:
    going = asyncio.create_task(push(bare, pieces(body[:1000], then=30.0), Said()))
    async with asyncio.timeout(5):
        while not processes_about(bare.folder):
            await asyncio.sleep(0.005)
    going.cancel()
    with pytest.raises(asyncio.CancelledError):
        await going
    await nothing_left(bare)


async def test_an_answer_that_nobody_takes_ends_git(bare: Bare, body: bytes) -> None:
    async def refusing(piece: bytes) -> None:
        raise ConnectionResetError("left")

    with pytest.raises(ConnectionResetError):
        await serve(bare.folder, Service.PUSH, pieces(body), refusing, protocol="", environment=ENVIRONMENT)
    await nothing_left(bare)


async def test_the_advertisement_names_the_service_unless_the_protocol_does(bare: Bare, body: bytes) -> None:
    await push(bare, pieces(body), Said())
    answers = {}
    for service, protocol in ((Service.FETCH, ""), (Service.FETCH, "version=2"), (Service.PUSH, "version=2")):
        said = Said()
        await advertise(bare.folder, service, said, protocol=protocol, environment=ENVIRONMENT)
        answers[service, protocol] = bytes(said)
    assert answers[Service.FETCH, ""].startswith(b"001e# service=git-upload-pack\n0000")
    assert answers[Service.FETCH, "version=2"].startswith(b"000eversion 2\n")
    assert answers[Service.PUSH, "version=2"].startswith(b"001f# service=git-receive-pack\n0000")
    assert b"refs/heads/main" in answers[Service.PUSH, "version=2"]


@pytest.mark.parametrize("protocol", ["version=2\nGIT_DIR=/", "version=2;x", "version=2" * 100])
async def test_a_protocol_that_is_none_never_reaches_git(bare: Bare, protocol: str) -> None:
    said = Said()
    await advertise(bare.folder, Service.PUSH, said, protocol=protocol, environment=ENVIRONMENT)
    assert bytes(said).startswith(b"001f# service=git-receive-pack\n")


async def test_a_repository_that_is_not_there_is_an_error_before_any_answer(tmp_path: Path) -> None:
    said = Said()
    with pytest.raises(GitError):
        await advertise(tmp_path / "x", Service.FETCH, said, protocol="", environment=ENVIRONMENT)
    assert said.pieces == []


async def test_what_is_unzipped_comes_in_small_pieces(bare: Bare) -> None:
    content = random.Random(1).randbytes(300_000) + b"0" * 10_000_000
    zipped = gzip.compress(content, mtime=0)
    got = [
        piece
        async for piece in unzipped(pieces(*(zipped[at : at + 999] for at in range(0, len(zipped), 999))))
    ]
    assert b"".join(got) == content
    assert max(map(len, got)) <= 65536


@pytest.mark.parametrize(
    "zipped",
    [b"", b"x", gzip.compress(b"abc", mtime=0)[:-1], gzip.compress(b"abc", mtime=0)[:-8] + b"\0" * 8],
)
async def test_what_is_no_gzip_is_broken(zipped: bytes) -> None:
    with pytest.raises(BodyBroken):
        async for _ in unzipped(pieces(zipped)):
            pass
