"""The lines around the faults of a headway.toml that could not be read, from the commit itself."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from headway.base.errors import HeadwayError
from headway.domain.run import FileFault, Run
from headway.drivers.git.bare import Bare

if TYPE_CHECKING:
    from headway.engine.server.server import Server

_MOST_BYTES = 1 << 20
_AROUND = 2
_LONGEST_LINE = 500

Around = Callable[[FileFault], tuple[tuple[int, str], ...]]


async def fault_lines(server: "Server", run: Run) -> Around:
    """A function that gives the numbered lines around a fault; none where the file cannot be read any more."""
    trigger = run.trigger
    assert trigger is not None
    names = {fault.file for fault in trigger.faults}
    texts = await asyncio.to_thread(_read, server, trigger.repository, run.commit, names)
    return lambda fault: around(texts.get(fault.file, ""), fault.line)


def around(text: str, line: int) -> tuple[tuple[int, str], ...]:
    lines = text.split("\n")
    first = max(1, line - _AROUND)
    chosen = lines[first - 1 : line + _AROUND]
    return tuple((first + index, one[:_LONGEST_LINE]) for index, one in enumerate(chosen)) if text else ()


def _read(server: "Server", repository: str, sha: str, names: set[str]) -> dict[str, str]:
    folder = server.repositories.folder(repository)
    found: dict[str, str] = {}
    if not folder.exists():
        return found
    bare = Bare(folder, server.settings.environment)
    for name in names:
        try:
            content = bare.read_file(sha, name, _MOST_BYTES)
        except HeadwayError:
            # The page is about the run; a commit that is gone takes only these lines with it.
            continue
        if content is not None:
            found[name] = content.decode(errors="replace")
    return found
