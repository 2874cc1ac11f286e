"""What is wrong with a file: every fault with its place, what was found, what is allowed and the near word.

FileInvalid (exit 2) carries them all; its message is the list that a person reads.
├── ContractInvalid   headway.toml   (wire.contract)
└── OrgInvalid        org.toml       (wire.org)
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import islice

from headway.base.errors import WrongUse
from headway.base.near import nearest
from headway.wire.strict.toml import toml_key

#: Table keys and list indices from the top of the file.
Path = tuple[str | int, ...]

#: A longer value would bury the message.
_SHOWN = 60
#: Beyond this nobody reads on; the rest is counted out as "more".
MOST_FAULTS = 200


@dataclass(frozen=True, slots=True)
class Problem:
    """A fault before its place in the file was looked up."""

    path: Path
    #: What is wrong, as the second half of a sentence that begins with the key path.
    message: str
    found: str = ""
    allowed: str = ""
    near: str | None = None
    #: Shown at the key itself rather than at its value.
    at_key: bool = False
    #: The character of the text at `path` that is meant, from 1; 0 is the text as a whole.
    character: int = 0


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a file. `line` and `column` count from 1; `key_path` is empty for the file as a whole."""

    file: str
    key_path: str
    line: int
    column: int
    message: str
    found: str = ""
    allowed: str = ""
    near: str | None = None

    def __str__(self) -> str:
        named = f" {self.key_path}" if self.key_path else ""
        return f"{self.file}:{self.line}:{self.column}{named}: {self.message}"


class FileInvalid(WrongUse):
    """The file cannot be read; `faults` holds everything that is wrong with it, in the file's order."""

    def __init__(self, file: str, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        number = len(self.faults)
        counted = f"{number} fault{'s' if number != 1 else ''}"
        if number >= MOST_FAULTS:
            counted = f"{MOST_FAULTS} faults and perhaps more"
        listed = "\n".join(f"  {fault}" for fault in self.faults)
        super().__init__(f"{file} has {counted}\n{listed}")


def render_path(path: Path) -> str:
    """`jobs.test.needs[1]`; a key that TOML would quote is quoted."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + printable(toml_key(part))
    return text


def printable(text: str) -> str:
    """Without what a terminal would act on: `\\n`, `\\x1b`."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def show(value: object) -> str:
    """The value as a message quotes it: `'biuld'`, `20`, `true`, `a list`, `a table`."""
    if isinstance(value, str):
        quoted = value if len(value) <= _SHOWN else value[:_SHOWN] + "…"
        return "'" + printable(quoted) + "'"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | dict):
        kind = "list" if isinstance(value, list) else "table"
        return f"a {kind}" if value else f"an empty {kind}"
    if isinstance(value, int | float):
        return f"the number {value}" if abs(value) < 10**20 else "a number"
    return f"the date {value}"


def unknown(
    path: Path, word: str, what: str, words: Collection[str], *, none: str = "", at_key: bool = False
) -> Problem:
    """`word` is not one of `words`: `'biuld' is no job; did you mean 'build'?`, else the words that are allowed.

    `none` says what to do when there is no word at all.
    """
    near = nearest(word, words)
    if near is not None:
        tail = f"; did you mean '{near}'?"
    elif words:
        tail = f"; allowed: {listing(words)}"
    else:
        tail = f"; {none}" if none else ""
    return Problem(path, f"{show(word)} is {what}{tail}", show(word), listing(words) or none, near, at_key)


def wrong(path: Path, value: object, allowed: str, *, at_key: bool = False) -> Problem:
    """The value is of the wrong type or outside what is allowed."""
    return Problem(
        path, f"found {show(value)}; allowed is {allowed}", show(value), allowed, None, at_key=at_key
    )


def listing(words: Collection[str], most: int = 12) -> str:
    """`a, b, c`, cut after `most`."""
    shown = ", ".join(islice(words, most))
    return f"{shown} and {len(words) - most} more" if len(words) > most else shown
