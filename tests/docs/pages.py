"""The pages that people read, cut into what can be tried: blocks, commands, links, tables.

Blocks say what they are: ```toml is a headway.toml or a part of one, ```sh holds commands, a block without a word is a
transcript, in which lines after `$ ` are commands. A ```toml that does not begin with `contract =` is a part. If its
first line is a comment like `# in [jobs.image]`, it stands in that table.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("**/*.md")])
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`(headway [^`\n]+)`")


@dataclass(frozen=True)
class Block:
    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(*languages: str) -> list[Block]:
    return [
        Block(page.relative_to(ROOT).as_posix(), line_of(text_of(page), found.start()), found[1], found[2])
        for page in PAGES
        for found in _BLOCK.finditer(text_of(page))
        if found[1] in languages
    ]


def line_of(text: str, place: int) -> int:
    return text.count("\n", 0, place) + 1


def commands(block: Block) -> Iterator[list[str]]:
    """The words after `headway` of each such line; comments of the shell are no words."""
    for line in block.text.splitlines():
        if block.language == "" and not line.startswith("$ "):
            continue
        words = shlex.split(line.removeprefix("$ "), comments=True)
        if words and words[0].split("/")[-1] == "headway":
            yield words[1:]


def mentions() -> list[tuple[str, str]]:
    """Commands that stand in a sentence, each with its page and line."""
    return [
        (f"{page.relative_to(ROOT).as_posix()}:{line_of(text_of(page), found.start())}", found[1])
        for page in PAGES
        for found in _SPAN.finditer(text_of(page))
    ]


def without_blocks(text: str) -> str:
    return _BLOCK.sub("", text)


def anchors(page: Path) -> set[str]:
    """The names of a page's headings, as code forges make them."""
    headings = re.findall(r"^#+ (.+)$", without_blocks(text_of(page)), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).strip().replace(" ", "-")
        for heading in headings
    }


def sections(text: str) -> dict[str, str]:
    """Text below each `## heading`."""
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def first_column(table_text: str) -> list[str]:
    """Each word in backquotes in the first column of the tables."""
    rows = re.findall(r"^\| (.*?) \|", table_text, re.MULTILINE)
    return [word for row in rows for word in re.findall(r"`([^`]+)`", row)]
