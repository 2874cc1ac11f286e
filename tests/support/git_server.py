"""git over HTTP for tests: the real app on a real uvicorn, with people who have tokens."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn

from headway.api.git_http import Found, GitHttp, Response, sign_in_first, token_of
from headway.drivers.git.bare import Bare, create_bare
from headway.drivers.git.hosting import HostingLimits
from tests.support.repositories import ENVIRONMENT

LINK = "http://headway.example/c/"
#: Token -> who has it. Carl may only read.
TOKENS = {"ana-token": "ana", "carl-token": "carl"}


@dataclass
class GitServer:
    """`pushed` are the repositories that were told to have got a push."""

    folder: Path
    limits: HostingLimits = field(default_factory=HostingLimits)
    elsewhere: str = ""
    pushed: list[str] = field(default_factory=list)
    port: int = 0

    def __post_init__(self) -> None:
        self.bare: Bare = create_bare(self.folder / "rep-1.git", "main", ENVIRONMENT)

    def url(self, token: str = "ana-token", name: str = "team/shop") -> str:
        user = f"me:{token}@" if token else ""
        return f"http://{user}127.0.0.1:{self.port}/git/{name}.git"

    async def find(self, name: str) -> Found | None:
        if name == "broken":
            return Found("rep-2", self.folder / "nowhere.git")
        return Found("rep-1", self.bare.folder, self.elsewhere) if name in ("team/shop", "shop") else None

    async def authenticate(self, headers: Mapping[str, str], name: str, push: bool) -> str | Response:
        sender = TOKENS.get(token_of(headers) or "")
        if sender is None:
            return sign_in_first()
        if push and sender == "carl":
            return Response(403, "the token of carl lacks the scope write")
        return sender


@contextlib.asynccontextmanager
async def serving_git(server: GitServer) -> AsyncIterator[GitServer]:
    app = GitHttp(
        server.find,
        server.authenticate,
        server.pushed.append,
        environment=ENVIRONMENT,
        link=LINK,
        limits=server.limits,
    )
    config = uvicorn.Config(
        app, http="httptools", ws="none", lifespan="off", log_level="critical", timeout_graceful_shutdown=2
    )
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server.port = listening.getsockname()[1]
        running = uvicorn.Server(config)
        # Signals belong to the tests' runner.
        running.capture_signals = contextlib.nullcontext  # type: ignore[method-assign]
        task = asyncio.create_task(running.serve(sockets=[listening]))
        while not running.started:
            await asyncio.sleep(0.005)
        try:
            yield server
        finally:
            running.should_exit = True
            await task


@dataclass(frozen=True)
class Done:
    code: int
    output: str
    complaint: str


async def git(folder: Path, *arguments: str, **variables: str) -> Done:
    """A git client, which keeps no loop waiting."""
    process = await start_git(folder, *arguments, **variables)
    output, complaint = await process.communicate()
    assert process.returncode is not None
    return Done(process.returncode, output.decode(errors="replace"), complaint.decode(errors="replace"))


async def start_git(folder: Path, *arguments: str, **variables: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        "git",
        *arguments,
        cwd=folder,
        env={**ENVIRONMENT, "GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "false", **variables},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        process_group=0,
    )


def processes_about(folder: Path) -> list[str]:
    """Living processes whose command line names the folder."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdecimal() and int(entry.name) != os.getpid():
                words = (entry / "cmdline").read_bytes()
                if os.fsencode(folder) in words:
                    found.append(words.replace(b"\0", b" ").decode(errors="replace"))
    return found


def zombies() -> list[str]:
    """Gits that this process started, that died, and that nobody has waited for. Runners of other tests are not ours."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdecimal():
                name, _, rest = (entry / "stat").read_text().rpartition(")")
                fields = rest.split()
                if fields[0] == "Z" and fields[1] == str(os.getpid()) and "(git" in name:
                    found.append(entry.name)
    return found
