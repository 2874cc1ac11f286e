"""Every job test runs on this machine and over a session, under dash, busybox and bash."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from headway.drivers.runner.local import LocalRunner
from headway.drivers.runner.over_session import SessionRunner
from headway.drivers.runner.verbs import Runner
from tests.support.shell_session import ShellSession

SHELLS = {"dash": ("dash",), "busybox": ("busybox", "sh"), "bash": ("bash", "--posix")}


def needed(shell: str) -> tuple[str, ...]:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    return SHELLS[shell]


@pytest.fixture(params=list(SHELLS))
def shell(request: pytest.FixtureRequest) -> tuple[str, ...]:
    return needed(request.param)


#: The other pairs are among the slow tests.
_QUICK = ("here-dash", "here-bash", "host-busybox")


@pytest.fixture(
    params=[
        pytest.param(pair, marks=() if pair in _QUICK else pytest.mark.slow)
        for pair in (f"{place}-{shell}" for place in ("here", "host") for shell in SHELLS)
    ]
)
async def runner(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Runner]:
    place, _, shell = request.param.partition("-")
    words = needed(shell)
    if place == "here":
        yield LocalRunner(shell=words)
        return
    # A host whose sh is this shell.
    tools = tmp_path / "host-bin"
    tools.mkdir()
    (tools / "sh").symlink_to(shutil.which(shell) or "")
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    async with ShellSession(["sh"]) as session:
        yield SessionRunner(session)
