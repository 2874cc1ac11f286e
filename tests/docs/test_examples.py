"""What the pages show is true: files can be read, commands are there, links lead somewhere."""

import re
import tomllib
from typing import Any

import click
import pytest

import headway.main.entry
from headway.cli.root import headway as program
from headway.wire.contract import read_contract
from headway.wire.strict.toml import toml_line
from tests.docs.pages import (
    PAGES,
    ROOT,
    Block,
    anchors,
    blocks,
    commands,
    line_of,
    mentions,
    text_of,
    without_blocks,
)
from tests.support.named_commands import Mention, fault_of

assert headway.main.entry  # It puts the demo among the commands.

#: What a part of a headway.toml stands in.
REST: dict[str, Any] = {
    "contract": 1,
    "service": {"name": "shop"},
    "jobs": {"image": {"run": "make image", "artifacts": ["dist/shop.tar.gz"]}},
    "hosts": {"web-1": {}, "web-2": {}, "web-3": {}},
    "groups": {"web": ["web-1", "web-2", "web-3"], "workers": ["web-3"], "staging": ["web-1"]},
    "deploy": {"kind": "files", "artifact": "dist/shop.tar.gz", "activate": "./activate"},
    "environments": {"staging": {"hosts": "group:staging"}, "production": {"hosts": "group:web"}},
}


def completed(text: str) -> str:
    """A part of a contract, made a whole one."""
    table = re.match(r"# in \[([\w.]+)\]\n", text)
    part: dict[str, Any] = tomllib.loads(text)
    for name in reversed(table[1].split(".")) if table else ():
        part = {name: part}
    return "\n".join(toml_line(key, value) for key, value in joined(REST, part).items())


def joined(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    both = {**under, **over}
    for key in under.keys() & over.keys():
        if isinstance(under[key], dict) and isinstance(over[key], dict):
            both[key] = joined(under[key], over[key])
    return both


@pytest.mark.parametrize("block", blocks("toml"), ids=str)
def test_a_file_that_is_shown_can_be_read(block: Block) -> None:
    read_contract(block.text if block.text.startswith("contract") else completed(block.text))


def test_a_part_with_a_fault_is_found() -> None:
    with pytest.raises(Exception, match="activat"):
        read_contract(completed('# in [deploy]\nactivat = "true"\n'))


def command_of(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that the first words name, and the words that are left."""
    command = program.get_command(click.Context(program), words[0])
    assert command is not None, f"there is no headway {words[0]}"
    if isinstance(command, click.Group) and len(words) > 1 and words[1] in command.commands:
        return command.commands[words[1]], words[2:]
    return command, words[1:]


def understood(words: list[str]) -> None:
    """Raises click.UsageError where the command line would, and AssertionError for a command that is not there."""
    command, rest = command_of(words)
    command.make_context(command.name, list(rest))


@pytest.mark.parametrize("block", [block for block in blocks("sh", "") if list(commands(block))], ids=str)
def test_commands_that_are_shown_can_be_typed(block: Block) -> None:
    for words in commands(block):
        understood(words)


def test_no_commands_hide_in_blocks_of_another_kind() -> None:
    for block in blocks(""):
        hidden = [line for line in block.text.splitlines() if line.startswith("headway ")]
        assert not hidden, f"{block}: a block of commands begins with ```sh"


@pytest.mark.parametrize(("place", "said"), mentions())
def test_commands_in_a_sentence_are_there(place: str, said: str) -> None:
    """Their words may be placeholders (`ENVIRONMENT`, `[JOB]`, …), so the command, its options and how many words it takes are what counts."""
    said = said.removeprefix("headway ")
    if said.startswith("-"):
        assert said in ("--help", "--version")
        return
    assert not fault_of(Mention(place, said, is_all=True))


def links() -> list[tuple[str, str]]:
    return [
        (f"{page.relative_to(ROOT).as_posix()}:{line_of(text_of(page), found.start())}", found[1])
        for page in PAGES
        for found in re.finditer(r"\]\(([^)\s]+)\)", text_of(page))
        if "://" not in found[1]
    ]


@pytest.mark.parametrize(("place", "link"), links())
def test_links_lead_somewhere(place: str, link: str) -> None:
    page = ROOT / place.split(":", maxsplit=1)[0]
    path, _, anchor = link.partition("#")
    there = (page.parent / path).resolve() if path else page
    assert there.exists(), f"{place}: {link}"
    assert not anchor or anchor in anchors(there), f"{place}: {link}"


def test_every_page_can_be_found_from_the_readme() -> None:
    seen, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        seen.add(page)
        if page.suffix == ".md":
            found = re.findall(r"\]\(([^)#\s]+)", without_blocks(text_of(page)))
            there = {(page.parent / link).resolve() for link in found if "://" not in link}
            waiting += [path for path in there - seen if path.exists()]
    # The folder of decisions is linked as a folder.
    assert {page for page in PAGES if "decisions" not in page.parts} <= seen


def test_decisions_are_numbered_without_a_gap() -> None:
    numbers = sorted(int(page.name[:4]) for page in PAGES if page.parent.name == "decisions")
    assert numbers == list(range(1, len(numbers) + 1))
    for page in PAGES:
        if page.parent.name == "decisions":
            assert text_of(page).startswith(f"# {int(page.name[:4])}. "), page.name
