"""Letting git talk to another machine: what it may speak, how it signs in, how long it may take, how it fails.

git never prompts here. A token reaches git in its environment only, by a credential helper that answers for the
address's own host, so that no redirect carries it elsewhere; an SSH key lies in memory (or the temporary folder) while
git runs. The machine's and its user's git configuration count, for proxies and certificates stand there.

RemoteError              3   what git complained of has no name here
├── RemoteUnreachable    3   nobody answers there, or not in time: try again
├── RemoteRefused        3   the credential is missing, wrong, or not enough
├── RemoteGone           3   there is no repository
├── RemoteUnsafe         3   what it sends is damaged, or made to harm whoever checks it out
├── RemoteTooLarge       3   it sends more than was to come
├── RefGone              3   a ref that was asked for is not there (git says so of the first one, and fetches none)
└── RefInTheWay          3   `a/b` cannot come where `a` was
"""

import asyncio
import os
import shlex
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from headway.base.awake import awake_for
from headway.base.errors import DiskFull, Errored
from headway.drivers.git.addresses import Address
from headway.drivers.git.child import answered, once
from headway.drivers.git.process import OutputTooLong


class RemoteError(Errored):
    pass


class RemoteUnreachable(RemoteError):
    pass


class RemoteRefused(RemoteError):
    pass


class RemoteGone(RemoteError):
    pass


class RemoteUnsafe(RemoteError):
    pass


class RemoteTooLarge(RemoteError):
    pass


class RefGone(RemoteError):
    pass


class RefInTheWay(RemoteError):
    pass


@dataclass(frozen=True, slots=True)
class Credentials:
    """How to sign in: a token over HTTP, the text of a private key over SSH; neither where anybody may read."""

    token: str | None = field(default=None, repr=False)
    ssh_key: str | None = field(default=None, repr=False)
    #: The name that goes with the token, if the address names none; GitHub, GitLab and Gitea take any.
    user: str = "headway"


#: Of an answer: a million refs are 80 MB.
_MOST_BYTES = 128 * 1024 * 1024
_HELPER = (
    '!f() { test "$1" = get || exit 0; '
    'printf "username=%s\\npassword=%s\\n" "$HEADWAY_GIT_USER" "$HEADWAY_GIT_TOKEN"; }; f'
)
_SETTINGS = (
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "fetch.fsckObjects=true",
    "fetch.showForcedUpdates=false",
    "gc.auto=0",
    # Less than a kilobyte a second for half a minute is nobody's slow line, it is a dead one.
    "http.lowSpeedLimit=1000",
    "http.lowSpeedTime=30",
)
_SSH = ("BatchMode=yes", "ConnectTimeout=15", "ServerAliveInterval=15", "ServerAliveCountMax=4")


def asked(
    question: Sequence[str],
    address: Address,
    credentials: Credentials,
    environment: Mapping[str, str],
    seconds: float,
    *,
    feed: str | None = None,
    holding: Sequence[int] = (),
    most: int | None = None,
) -> bytes:
    """git's answer to a question that it takes to `address`. Blocks. Raises RemoteError and its kinds, DiskFull.

    `environment` comes from `git_environment`; `holding` are descriptors that git keeps open until it has ended. More
    than `most` bytes of objects are not taken; git does not say why it failed then, but what it wrote is so long.
    """
    with _signing_in(address, credentials) as (settings, variables):
        # Of what is bounded all comes as one file, so that a bound on a file's length is one on all of it.
        settings += [] if most is None else ["fetch.unpackLimit=1"]
        arguments = [word for setting in (*_SETTINGS, *settings) for word in ("-c", setting)]

        async def work() -> tuple[int, bytes, str]:
            async with awake_for(seconds):
                return await answered(
                    [*arguments, *question],
                    environment={**environment, **variables},
                    most=_MOST_BYTES,
                    feed=None if feed is None else once(os.fsencode(feed)),
                    holding=holding,
                    largest_file=most,
                )

        try:
            code, output, complaint = asyncio.run(work())
        except OutputTooLong as error:
            raise RemoteUnsafe(f"{address.url} answers with more than {_MOST_BYTES:,} bytes") from error
        except TimeoutError:
            raise RemoteUnreachable(
                f"{address.url} did not answer within {seconds:.0f} s", hint="it is tried again by itself"
            ) from None
    if code != 0:
        raise _explained(complaint, address)
    return output


@contextmanager
def _signing_in(address: Address, credentials: Credentials) -> Iterator[tuple[list[str], dict[str, str]]]:
    """Settings and variables by which git signs in, for as long as the block lasts."""
    variables = {"GIT_ALLOW_PROTOCOL": address.protocols}
    if address.scheme in ("http", "https"):
        if credentials.token is None:
            yield [], variables
            return
        if not credentials.token.isprintable():
            raise RemoteRefused(f"the token for {address.url} holds control characters", hint="set it anew")
        variables |= {
            "HEADWAY_GIT_USER": address.user or credentials.user,
            "HEADWAY_GIT_TOKEN": credentials.token,
        }
        # The empty one takes away the helpers of the machine's configuration, which might ask or know another name.
        yield ["credential.helper=", f"credential.{address.origin}.helper={_HELPER}"], variables
    elif address.scheme == "ssh":
        with _key_file(credentials.ssh_key) as key:
            options = [f"-o{option}" for option in _SSH]
            if key is not None:
                options += ["-oIdentitiesOnly=yes", "-oIdentityAgent=none", "-i", str(key)]
            variables |= {"GIT_SSH_COMMAND": shlex.join(["ssh", *options]), "GIT_SSH_VARIANT": "ssh"}
            yield [], variables
    else:
        yield [], variables


@contextmanager
def _key_file(key: str | None) -> Iterator[Path | None]:
    if key is None:
        yield None
        return
    memory = Path("/dev/shm")  # noqa: S108  # a folder of our own is made in it
    inside = str(memory) if os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="headway-key-", dir=inside) as folder:
        path = Path(folder, "key")
        path.touch(mode=0o600)
        path.write_text(key.strip("\n") + "\n")
        yield path


#: Phrases of git, ssh and curl -> the error, what to say ({url}, {said}), what to do next. The first that fits counts.
_COMPLAINTS: tuple[tuple[tuple[str, ...], type[Errored], str, str], ...] = (
    (("couldn't find remote ref",), RefGone, "{url}: {said}", "push it again, or leave it"),
    (
        ("exists; cannot create", "non-empty directory", "there is a non-empty", "refname conflict"),
        RefInTheWay,
        "a ref of {url} cannot come where another one is: {said}",
        "fetch with pruning",
    ),
    (
        ("No space left on device", "Disk quota exceeded", "unable to write file"),
        DiskFull,
        "the disk is full: what comes from {url} cannot be written",
        "free some space, then try again",
    ),
    (
        (
            "fsck error",
            "error in object",
            "in pack-objects",
            "invalid index-pack",
            "index-pack failed",
            "hasDot",
        ),
        RemoteUnsafe,
        "{url} holds what must not be checked out, or is damaged: {said}",
        "see git fsck there",
    ),
    (
        (
            "Host key verification failed",
            "Could not resolve host",
            "Name or service not known",
            "Connection refused",
            "Connection timed out",
            "Failed to connect",
            "Couldn't connect",
            "Network is unreachable",
            "No route to host",
            "Operation too slow",
            "Operation timed out",
            "SSL certificate problem",
            "server certificate verification failed",
            "returned error: 5",
            "returned error: 429",
            "Connection reset",
            "Empty reply",
            "early EOF",
            "unexpected disconnect",
        ),
        RemoteUnreachable,
        "{url} cannot be reached: {said}",
        "it is tried again by itself; for SSH its host key must be known: ssh-keyscan HOST >> ~/.ssh/known_hosts",
    ),
    (
        (
            "Authentication failed",
            "could not read Username",
            "could not read Password",
            "terminal prompts disabled",
            "Permission denied",
            "returned error: 401",
            "returned error: 403",
            "Invalid username or",
            "Access denied",
        ),
        RemoteRefused,
        "{url} refuses the credential, or wants one: {said}",
        "set a token, or a key for an address of SSH, that may read it",
    ),
    (
        (
            "not found",
            "repository not exported",
            "does not appear to be a git repository",
            "does not exist",
            "returned error: 404",
            "410",
        ),
        RemoteGone,
        "there is no repository at {url}: {said}",
        "look at its address; a private one is not found without a token",
    ),
    (
        ("hung up unexpectedly", "Could not read from remote repository"),
        RemoteUnreachable,
        "{url} cannot be reached: {said}",
        "it is tried again by itself",
    ),
)


def _explained(complaint: str, address: Address) -> Errored:
    lines = [
        line for line in complaint.splitlines() if line.strip() and not line.startswith(("hint:", "warning:"))
    ]
    for phrases, kind, message, hint in _COMPLAINTS:
        telling = next((line for line in lines if any(phrase in line for phrase in phrases)), None)
        if telling is not None:
            return kind(message.format(url=address.url, said=_shown(telling)), hint=hint)
    said = _shown(lines[-1]) if lines else "it said nothing"
    return RemoteError(f"git failed with {address.url}: {said}", hint="try by hand: git ls-remote URL")


def _shown(line: str) -> str:
    """A stranger's words: of one line, short, without control characters."""
    line = line.removeprefix("fatal: ").removeprefix("error: ")
    return "".join(character for character in line if character.isprintable())[:300]
