"""Commands that pages, messages and documents name in passing, held against the real tree of commands."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import click

import headway.main.entry
from headway.cli.root import headway as program

assert headway.main.entry  # It puts the demo among the commands.

ROOT = Path(__file__).parents[2]
#: What a value stands for that is only known when the text is made.
VALUE = "VALUE"
_TAGS = re.compile(r"<[^>]+>")
_CODE = re.compile(r"<code[^>]*>(.*?)</code>", re.DOTALL)
_FILLED = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
#: The name of the program, and what follows it up to the end of the clause.
_NAMED = re.compile(r"(?<![\w./@:'\"-])headway ([a-z][^\n;,:`<>()“”…·]*)")
#: What somebody is to put something in for, in an example or a message.
_PLACEHOLDER = re.compile(r"\[?[A-Z][A-Z0-9_]*([=|/.\[].*)?\]?$|\[?<.*|\.\.\.")
#: One subcommand, or several to choose from: `pause|go-on`.
_SUBCOMMAND = re.compile(r"[a-z][a-z|-]*$")
#: Behind the name of the program or of a remote called so, and no command: "another headway command", "git push headway main".
PROSE = frozenset({"as", "command", "commands", "headway", "iloveyou", "in", "main", "try"})


@dataclass(frozen=True)
class Mention:
    place: str
    said: str
    #: The whole text is the command, and no sentence goes on after it.
    is_all: bool = False

    def __str__(self) -> str:
        return f"{self.place}: {self.said}"


@cache
def top() -> frozenset[str]:
    return frozenset(program.list_commands(click.Context(program)))


def fault_of(mention: Mention) -> str:
    """Why it cannot be typed so; empty when it can."""
    words = mention.said.partition(" | ")[0].rstrip(".!?'\" ").split()
    if words[0] not in top():
        return f"there is no headway {words[0]}"
    group = words.pop(0)
    command = program.get_command(click.Context(program), group)
    assert command is not None
    if isinstance(command, click.Group) and words and _SUBCOMMAND.match(words[0]):
        for name in words[0].split("|"):
            if name not in command.commands and command.invoke_without_command and not mention.is_all:
                # The sentence goes on: "headway release lists them".
                return ""
            if name not in command.commands:
                return f"there is no headway {group} {name}"
        command = command.commands[words.pop(0).split("|")[0]]
    return _fault_of_words(command, words, is_all=mention.is_all)


def _fault_of_words(command: click.Command, words: list[str], *, is_all: bool) -> str:
    options = {
        name: option
        for option in command.params
        if isinstance(option, click.Option)
        for name in (*option.opts, *option.secondary_opts)
    } | {"--help": None}
    given = 0
    while words:
        word = words.pop(0)
        if word == "--":
            break
        if found := re.match(r"\[?(--?[a-z][a-z-]*)", word):
            if found[1] not in options:
                return f"{command.name} has no {found[1]}"
            option = options[found[1]]
            if option is not None and not option.is_flag and "=" not in word and words:
                words.pop(0)
            continue
        if not (is_all or _PLACEHOLDER.match(word)):
            # The sentence goes on.
            break
        given += 1
    arguments = [one for one in command.params if isinstance(one, click.Argument)]
    if any(one.nargs == -1 for one in arguments) or isinstance(command, click.Group):
        return ""
    most = sum(one.nargs for one in arguments)
    return f"{command.name} takes {most} words, not {given}" if given > most else ""


def in_pages() -> Iterator[Mention]:
    for file in sorted((ROOT / "src/headway").rglob("*.html")):
        text = file.read_text(encoding="utf-8")
        place = file.relative_to(ROOT).as_posix()
        for code in _CODE.findall(text):
            plain = _TAGS.sub("", _FILLED.sub(VALUE, code)).strip()
            if plain.startswith("headway "):
                yield Mention(place, plain.removeprefix("headway "), is_all=True)
        yield from _named(place, _TAGS.sub(" ", _FILLED.sub(VALUE, _CODE.sub(" ", text))))


def in_messages() -> Iterator[Mention]:
    """In every text of the program, its help among it."""
    for file in sorted((ROOT / "src/headway").rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        inner = {part for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        for node in ast.walk(tree):
            if node in inner:
                continue
            if text := _text_of(node):
                yield from _named(f"{file.relative_to(ROOT).as_posix()}:{node.lineno}", text)  # type: ignore[attr-defined]


def _text_of(node: ast.AST) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else VALUE for part in node.values)
    return ""


def in_scripts() -> Iterator[Mention]:
    for file in sorted((ROOT / "src/headway").rglob("*.js")):
        yield from _named(file.relative_to(ROOT).as_posix(), file.read_text(encoding="utf-8"))


def _named(place: str, text: str) -> Iterator[Mention]:
    for said in _NAMED.findall(text):
        if re.split(r"\W", said, maxsplit=1)[0] not in PROSE:
            yield Mention(place, said)
