"""The shapes that docs/json.md describes, and what holds a document against them."""

import re
from typing import Any

from tests.docs.pages import ROOT, text_of

#: Section -> its text, the heading first.
PAGE = {
    part.partition("\n")[0]: f"## {part}"
    for part in re.split(r"^## ", text_of(ROOT / "docs" / "json.md"), flags=re.MULTILINE)[1:]
}
_TABLE = re.compile(
    r"^(?:.*?\bAn? ([A-Z]+) is|.*)\n\n\| key \| \|\n\|---\|---\|\n((?:\|.*\n?)+)", re.MULTILINE
)


class Table(dict[str, str]):
    """Key -> what the page says of it."""

    @property
    def always(self) -> set[str]:
        """Keys that every document has; of others the page says when ("with `--explain` only", "only where …")."""
        return {key for key, said in self.items() if not re.search(r"\bonly(:| where)", said)}


def tables(section: str) -> dict[str, Table]:
    """The tables of a section by the noun that they describe (`A RUN is`); the document's own has none."""
    found: dict[str, Table] = {}
    for noun, rows in _TABLE.findall(section):
        table = found.setdefault(noun, Table())
        for names, said in re.findall(r"^\| (.*?) \| (.*) \|$", rows, re.MULTILINE):
            table |= dict.fromkeys(re.findall(r"`([^`]+)`", names), said)
    return found


def same(real: Any, table: Table) -> None:
    assert set(real) <= set(table), f"not on the page: {set(real) - set(table)}"
    assert table.always <= set(real), f"not in the document: {table.always - set(real)}"


def inline(said: str) -> set[str]:
    """The keys of a small object that a sentence shows: `{"number", "name"}`."""
    return nested(said, "")


def nested(text: str, after: str, *, within: str = "") -> set[str]:
    """The keys of the first object in backquotes that the text shows `after` these words, or of one `within` a key of it."""
    begin = re.search(rf"{re.escape(after)}.*?`\{{", text, re.DOTALL)
    assert begin, after
    place, depth = begin.end(), 1
    if within:
        place = text.index(f'"{within}": [{{', place) + len(within) + 6
    keys: set[str] = set()
    for found in re.finditer(r'[][{}]|"(\w+)"', text[place:]):
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(found[0], 0)
        if depth == 0:
            return keys
        if depth == 1 and found[1]:
            keys.add(found[1])
    raise AssertionError(f"what is shown after {after!r} never ends")
