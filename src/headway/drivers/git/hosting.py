"""Hosting over smart HTTP through git's own programs: what a fetch or a push is answered with.

One request is one process of `git upload-pack` or `git receive-pack`, streamed both ways in small pieces. A push
whose body did not come whole changes nothing: git keeps what it received apart until it is complete and checked. One
that came whole is carried out, even if its sender has left. Who may do what is the caller's to decide.

HostingRefused          2   the request cannot be carried out as it is
├── BodyTooLarge        2   more was sent than is taken
├── BodyTooSlow         2   nothing more came for too long
├── BodyBroken          2   what came is not what it says (gzip, git's own framing)
└── SenderGone          2   the connection ended before the request was whole
process.TookTooLong     3   the whole request took longer than one may
"""

import asyncio
import re
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from headway.base.awake import awake_for
from headway.base.errors import WrongUse
from headway.drivers.git.child import CHUNK, Child, running
from headway.drivers.git.process import TookTooLong, explain, server_environment


class HostingRefused(WrongUse):
    pass


class BodyTooLarge(HostingRefused):
    pass


class BodyTooSlow(HostingRefused):
    pass


class BodyBroken(HostingRefused):
    pass


class SenderGone(HostingRefused):
    pass


class Service(StrEnum):
    """The two programs, by the names under which a client asks for them."""

    FETCH = "git-upload-pack"
    PUSH = "git-receive-pack"


@dataclass(frozen=True, slots=True)
class HostingLimits:
    """What one request may take."""

    #: Of a push, unpacked as well as on the wire.
    push_bytes: int = 512 * 1024 * 1024
    #: Of a fetch's question: a line of 50 bytes for each commit that is wanted or had.
    fetch_bytes: int = 32 * 1024 * 1024
    #: Between two pieces of a body.
    idle_seconds: float = 60.0
    #: From the first byte of the request to the last one of the answer.
    whole_seconds: float = 3600.0


@dataclass(frozen=True, slots=True)
class Push:
    """What git's hook is told of a push: who sends it, and what stands before a commit's id in a link to it."""

    sender: str = ""
    link: str = ""


Answer = Callable[[bytes], Awaitable[None]]

_PROTOCOL = re.compile(r"[a-z0-9=:.-]{1,200}")
#: Above what the repository's own settings say: several at a time must leave the machine to its other duties.
_SETTINGS = ("-c", "pack.threads=1", "-c", "pack.windowMemory=64m", "-c", "uploadpack.allowFilter=true")
_GARBLED = ("protocol error", "bad line length", "early EOF", "expected", "unable to parse", "did not send")


async def advertise(
    folder: Path, service: Service, answer: Answer, *, protocol: str, environment: Mapping[str, str]
) -> None:
    """Answers a client's first question: which refs there are, or what the server is able to do.

    `protocol` is the request's header Git-Protocol. Raises TookTooLong, GitError, DiskFull.
    """
    # In protocol 2, which is for fetching only, the answer speaks for itself.
    newest = service is Service.FETCH and "version=2" in protocol
    head = b"" if newest else _line(f"# service={service}\n") + b"0000"
    arguments = _arguments(service, folder, "--advertise-refs")
    variables = _variables(environment, folder, protocol)
    try:
        async with awake_for(60):
            async with running(arguments, environment=variables) as child:
                await _answered(child, answer, folder, head)
    except TimeoutError:
        raise TookTooLong(f"git did not say within 60 s what {folder} holds") from None


async def serve(
    folder: Path,
    service: Service,
    body: AsyncIterator[bytes],
    answer: Answer,
    *,
    protocol: str,
    environment: Mapping[str, str],
    push: Push | None = None,
    limits: HostingLimits | None = None,
) -> None:
    """Carries out one request: its body as it comes in, its answer as git makes it.

    Cancelled, or when the body raises, git is ended. Raises HostingRefused and its kinds, TookTooLong, GitError,
    DiskFull; once a piece has been answered, a client learns of a fault only by the connection's end.
    """
    limits = limits or HostingLimits()
    push = push or Push()
    most = limits.push_bytes if service is Service.PUSH else limits.fetch_bytes
    variables = _variables(environment, folder, protocol) | {
        "HEADWAY_SENDER": _one_line(push.sender),
        "HEADWAY_LINK": _one_line(push.link),
    }
    try:
        async with awake_for(limits.whole_seconds):
            arguments, patient = _arguments(service, folder), service is Service.PUSH
            async with running(arguments, environment=variables, fed=True, patient=patient) as child:
                feeding = asyncio.create_task(child.feed(_bounded(body, most, limits.idle_seconds)))
                answering = asyncio.create_task(_answered(child, answer, folder))
                try:
                    await asyncio.wait({feeding, answering}, return_when=asyncio.FIRST_COMPLETED)
                    if feeding.done():
                        feeding.result()
                    await answering
                finally:
                    feeding.cancel()
                    answering.cancel()
                    await asyncio.gather(feeding, answering, return_exceptions=True)
    except TimeoutError:
        raise TookTooLong(
            f"the request took longer than {limits.whole_seconds:.0f} s",
            hint="fetch or push less at a time",
        ) from None


async def unzipped(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """A gzip'ed body's content, in pieces that stay small however well it was packed. Raises BodyBroken."""
    unpacking = zlib.decompressobj(wbits=31)
    try:
        async for piece in body:
            while piece and not unpacking.eof:
                yield unpacking.decompress(piece, CHUNK)
                piece = unpacking.unconsumed_tail
        while rest := unpacking.decompress(unpacking.unconsumed_tail, CHUNK):
            yield rest
    except zlib.error as error:
        raise BodyBroken(f"the body is not gzip: {error}") from error
    if not unpacking.eof:
        raise BodyBroken("the gzip'ed body ends too early")


async def _bounded(body: AsyncIterator[bytes], most: int, idle_seconds: float) -> AsyncIterator[bytes]:
    taken = 0
    pieces = aiter(body)
    while True:
        try:
            async with awake_for(idle_seconds):
                piece = await anext(pieces)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise BodyTooSlow(f"nothing more came for {idle_seconds:.0f} s", hint="try again") from None
        taken += len(piece)
        if taken > most:
            raise BodyTooLarge(
                f"more than {most // 1024 // 1024} MiB were sent",
                hint="push fewer commits at a time, and keep large files elsewhere",
            )
        yield piece


async def _answered(child: Child, answer: Answer, folder: Path, head: bytes = b"") -> None:
    """Hands on what git says, `head` before it. Raises what git complains of if it said nothing."""
    said = False
    while piece := await child.read():
        await answer(piece if said else head + piece)
        said = True
    code, complaint = await child.finish()
    if code == 0 or said:
        return  # What it had to complain stands in its answer.
    if any(phrase in complaint for phrase in _GARBLED):
        raise BodyBroken("git could not read the request", hint="see git --version on your side")
    raise explain(complaint, str(folder))


def _arguments(service: Service, folder: Path, *options: str) -> list[str]:
    settings = [*_SETTINGS, "-c", f"safe.directory={folder}"]
    return [*settings, service.removeprefix("git-"), "--stateless-rpc", *options, str(folder)]


def _variables(environment: Mapping[str, str], folder: Path, protocol: str) -> dict[str, str]:
    variables = server_environment(environment)
    if _PROTOCOL.fullmatch(protocol):
        variables["GIT_PROTOCOL"] = protocol
    return variables


def _line(text: str) -> bytes:
    return f"{len(text) + 4:04x}{text}".encode()


def _one_line(text: str) -> str:
    return "".join(character if character.isprintable() else "�" for character in text)
