"""What hosting.md shows is really typed: a push to a server, and what it answers."""

import re
from pathlib import Path

from headway.drivers.git.bare import TOLERATED
from headway.drivers.git.hosting import HostingLimits
from tests.docs.pages import ROOT, blocks
from tests.support.git_server import LINK, GitServer, git, serving_git
from tests.support.repositories import Repository

SHOWN = "https://headway.example/git/team/shop.git"
PAGE = (ROOT / "docs/hosting.md").read_text()


async def test_a_push_answers_as_shown(tmp_path: Path) -> None:
    shown = [block.text for block in blocks("sh", "") if block.page == "docs/hosting.md"]
    commands = next(text for text in shown if SHOWN in text).splitlines()
    answer = next(text for text in shown if text.startswith("$ ")).splitlines()
    repository = Repository(tmp_path / "shop")
    sha = repository.commit({"a": "1"})
    async with serving_git(GitServer(tmp_path / "repositories")) as server:
        for command in commands:
            done = await git(repository.folder, *command.replace(SHOWN, server.url()).split()[1:])
            assert done.code == 0, done.complaint
    assert answer[0] == f"$ {commands[-1]}"
    wanted = re.sub(r"https://headway.example/c/[0-9a-f]{40}", LINK + sha, answer[1])
    assert wanted in [line.rstrip() for line in done.complaint.splitlines()]


def test_the_bounds_are_those_of_the_program() -> None:
    limits = HostingLimits()
    assert f"| a push | {limits.push_bytes // 1024 // 1024} MiB |" in PAGE
    assert f"| silence in the middle of a push | {limits.idle_seconds:.0f} s |" in PAGE
    assert f"| a fetch or push in all | {limits.whole_seconds / 3600:.0f} hour |" in PAGE
    assert all(f"`{fault}`" in PAGE for fault in TOLERATED)
