"""`headway release` on a server."""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from headway.base.errors import HeadwayError
from headway.client.decode import typed
from headway.client.http import HeadwayClient, segment
from headway.drivers.git import Git
from headway.wire.shapes_delivery import FoundReleaseDocument, ReleaseDocument


def newest(server: HeadwayClient, service: str, limit: int) -> list[ReleaseDocument]:
    found = server.pages(f"/api/services/{segment(service)}/releases", most=limit)
    return typed(found, list[ReleaseDocument])


def named(server: HeadwayClient, git: Git, service: str, root: Path, name: str) -> ReleaseDocument:
    """Branches and tags are those of the server; HEAD is the one here."""
    place = f"/api/services/{segment(service)}/releases/find"
    return typed(server.get(place, name=here(git, root, name)), ReleaseDocument)


def chosen_for(  # noqa: PLR0917  (where, of what, where to)
    server: HeadwayClient, git: Git, service: str, environment: str, root: Path, name: str
) -> FoundReleaseDocument:
    """The release that a deployment there takes; of several of one commit with what was chosen, and why."""
    place = f"/api/services/{segment(service)}/releases/find"
    found = server.get(place, name=here(git, root, name), environment=environment)
    return typed(found, FoundReleaseDocument)


def add(server: HeadwayClient, service: str, sha: str, files: Mapping[str, Path]) -> ReleaseDocument:
    """The files are uploaded."""
    with contextlib.ExitStack() as stack:
        opened: dict[str, BinaryIO] = {
            path: stack.enter_context(file.open("rb")) for path, file in files.items()
        }
        executable = [path for path, file in files.items() if file.stat().st_mode & 0o100]
        fields = {"service": service, "commit": sha, "executable": executable}
        return typed(server.upload("/api/releases", fields, opened), ReleaseDocument)


def here(git: Git, root: Path, name: str) -> str:
    """What only this repository can say becomes a commit's id."""
    if not name.startswith("HEAD"):
        return name
    with contextlib.suppress(HeadwayError):
        return git.resolve(root, name)
    return name
