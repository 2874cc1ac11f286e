"""What runs.md and releases.md show is really typed, in a repository that fits."""

import re
from pathlib import Path

import pytest

from tests.docs.pages import ROOT as TOP
from tests.docs.pages import Block, blocks, commands, first_column, sections, text_of
from tests.support.command_line import Answer, Terminal

CONTRACT = """
[jobs.lint]
run = "echo 'All checks passed!'"
[jobs.test]
matrix = { python = ["3.11", "3.12"] }
run = "echo 214 passed in 8.12s; cp junit report.xml"
reports = { junit = "report.xml" }
[jobs.build]
needs = ["lint", "test"]
run = "mkdir dist; echo bytes > dist/shop.tar.gz"
artifacts = ["dist/shop.tar.gz"]
[deploy]
kind = "files"
artifact = "dist/shop.tar.gz"
activate = "true"
[environments.staging]
hosts = "web-1"
[hosts.web-1]
"""
CASES = "".join(f'<testcase name="t{number}" time="0.01"/>' for number in range(214))


@pytest.fixture
def shop(tmp_path: Path) -> Terminal:
    terminal = Terminal(tmp_path, f"sqlite:///{tmp_path}/data/headway.db")
    terminal.repository.write(
        {"junit": f"<testsuite>{CASES}</testsuite>", ".gitignore": "dist\nreport.xml\n"}
    )
    terminal.write(CONTRACT)
    return terminal


def block_with(page: str, text: str) -> Block:
    return next(block for block in blocks("", "sh") if block.page == f"docs/{page}" and text in block.text)


def shape(text: str) -> list[str]:
    """Lines without what differs each time: seconds, commits, releases, runs' numbers, the width of columns."""
    text = re.sub(r"\b\d+(\.\d+)?m?s\b", "TIME", text)
    text = re.sub(r"rel-[0-9a-f]{32}\b", "RELEASE", text)
    text = re.sub(r"@[0-9a-f]{7,}\b", "@COMMIT", text)
    text = re.sub(r"\brun \d+\b", "run N", text)
    return [re.sub(r"  +", "  ", line).rstrip() for line in text.splitlines()]


def typed(shop: Terminal, block: Block) -> Answer:
    words = next(commands(block))
    return shop.call(*words)


def test_headway_run_looks_like_this(shop: Terminal) -> None:
    block = block_with("runs.md", "$ headway run")
    answer = typed(shop, block)
    assert answer.code == 0, answer
    live, _, summary = block.text.partition("…\n")
    printed = shape(answer.complaint + answer.text)
    for line in shape(live)[1:]:
        assert line in printed, answer
    assert printed[-len(shape(summary)) :] == shape(summary), answer


def test_headway_run_options_do_as_they_say(shop: Terminal) -> None:
    page = text_of(TOP / "docs" / "runs.md")
    assert {"headway run --job test", "headway logs 12"} <= set(first_column(page))
    only = shop.call("run", "--job", "test (python=3.12)", "--json").document
    assert {job["name"] for job in only["jobs"] if job["state"] == "succeeded"} == {"test (python=3.12)"}
    assert shop.call("logs", "1", "test (python=3.12)", "--step", "1").text.splitlines() == [
        "214 passed in 8.12s"
    ]


@pytest.mark.slow
def test_releases_are_added_and_named_like_this(shop: Terminal, tmp_path: Path) -> None:
    commit = shop.repository.git("rev-parse", "HEAD")
    shop.repository.git("tag", "v1.4")
    shop.repository.write({"dist/shop.tar.gz": "bytes"})
    downloaded = tmp_path / "shop-3f2a91c.tgz"
    downloaded.write_text("other bytes")
    added = []
    for words in commands(block_with("releases.md", "release add")):
        here = [word.replace("3f2a91c", commit[:7]) if "tgz" not in word else word for word in words]
        here = [word.replace("/tmp/download/shop-3f2a91c.tgz", str(downloaded)) for word in here]
        answer = shop.call(*here, "--json")
        assert answer.code == 0, answer
        added.append(answer.document["release"]["id"])
    assert len(set(added)) == 2

    # Of a commit with several releases, none of which was deployed, the one made first is meant.
    names = first_column(sections(text_of(TOP / "docs" / "releases.md"))["Which one is meant"])
    first = added[0]
    for name in names:
        real = {
            "rel-5fe40cee0fcc21458e09970ecb7ff75a": first,
            "rel-5fe4": first[:10],
            "5fe4": first.removeprefix("rel-")[:8],
            "3f2a91c": commit[:7],
        }.get(name, name)
        answer = shop.call("release", "show", real, "--json")
        assert answer.code == 0, answer
        assert answer.document["release"]["id"] == first, name
    assert {found["id"] for found in shop.call("release", "--json").document["releases"]} == set(added)
