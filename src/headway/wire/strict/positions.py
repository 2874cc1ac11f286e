"""Line and column of every key path of a TOML text. Only needed when there is a fault to be shown."""

import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import tree_sitter
import tree_sitter_toml

from headway.wire.strict.faults import Path

#: Beyond this nesting nothing is located: the file is refused for its depth alone.
_DEEPEST = 64


@dataclass(frozen=True, slots=True)
class Place:
    """Both count from 1, columns in characters."""

    line: int
    column: int


#: Row and byte in it, from 0, as the parser counts.
_Point = tuple[int, int]


@dataclass(slots=True)
class Positions:
    """Where keys and values stand. A path that is not in the file is looked for at its nearest parent."""

    lines: list[bytes]
    keys: dict[Path, _Point] = field(default_factory=dict)
    values: dict[Path, _Point] = field(default_factory=dict)
    #: Texts in single quotation marks without escapes: each character stands where it is read.
    plain: set[Path] = field(default_factory=set)

    def key(self, path: Path) -> Place:
        return self._nearest(path, self.keys, self.values)

    def value(self, path: Path) -> Place:
        return self._nearest(path, self.values, self.keys)

    def inside(self, path: Path, character: int) -> Place | None:
        """The place of one character of a text; None when quoting moves it (escapes, several lines)."""
        point = self.values.get(path)
        if point is None or path not in self.plain:
            return None
        place = self._place(point)
        return Place(place.line, place.column + character)

    def _nearest(self, path: Path, first: dict[Path, _Point], second: dict[Path, _Point]) -> Place:
        for length in range(len(path), 0, -1):
            # A parent is best shown by its key: its value may begin lines above the missing child.
            tables = (first, second) if length == len(path) else (self.keys, self.values)
            for table in tables:
                if path[:length] in table:
                    return self._place(table[path[:length]])
        return Place(1, 1)

    def _place(self, point: _Point) -> Place:
        row, column = point
        before = self.lines[row][:column] if row < len(self.lines) else b""
        return Place(row + 1, len(before.decode("utf-8", "replace")) + 1)


def locate(text: str) -> Positions:
    """The positions of everything in `text`, as far as its syntax can be read."""
    source = text.encode("utf-8", "surrogatepass")
    tree = tree_sitter.Parser(tree_sitter.Language(tree_sitter_toml.language())).parse(source)
    walk = _Walk(Positions(source.split(b"\n")))
    for node in tree.root_node.children:
        walk.statement(node)
    return walk.positions


class _Walk:
    def __init__(self, positions: Positions) -> None:
        self.positions = positions
        #: Tables of an array of tables that were begun, by the array's path.
        self.begun: Counter[Path] = Counter()

    def statement(self, node: tree_sitter.Node) -> None:
        if node.type == "pair":
            self.pair(node, ())
        elif node.type in ("table", "table_array_element"):
            self.table(node)

    def table(self, node: tree_sitter.Node) -> None:
        header = next((child for child in node.children if child.type in _KEYS), None)
        if header is None:
            return
        path: Path = ()
        parts = list(_key_parts(header))
        for number, (part, key) in enumerate(parts):
            path = (*path, key)
            self.positions.keys.setdefault(path, _point(part))
            last = number == len(parts) - 1
            if last and node.type == "table_array_element":
                self.begun[path] += 1
            if self.begun[path]:
                path = (*path, self.begun[path] - 1)
                self.positions.keys.setdefault(path, _point(part))
        for child in node.children:
            if child.type == "pair":
                self.pair(child, path)

    def pair(self, node: tree_sitter.Node, parent: Path) -> None:
        if len(parent) > _DEEPEST or not node.children or node.children[0].type not in _KEYS:
            return
        path = parent
        for part, key in _key_parts(node.children[0]):
            path = (*path, key)
            self.positions.keys.setdefault(path, _point(part))
        # A comment at the end of the line is a child as well.
        held = [child for child in node.children[1:] if child.type not in ("=", "comment")]
        if held:
            self.value(held[0], path)

    def value(self, node: tree_sitter.Node, path: Path) -> None:
        self.positions.values.setdefault(path, _point(node))
        if len(path) > _DEEPEST:
            return
        if node.type == "string" and _is_plain(node.text or b""):
            self.positions.plain.add(path)
        if node.type == "array":
            items = [child for child in node.named_children if child.type != "comment"]
            for number, child in enumerate(items):
                self.value(child, (*path, number))
        elif node.type == "inline_table":
            for child in node.named_children:
                if child.type == "pair":
                    self.pair(child, path)


def _point(node: tree_sitter.Node) -> _Point:
    return (node.start_point[0], node.start_point[1])


def _is_plain(raw: bytes) -> bool:
    return b"\\" not in raw and b"\n" not in raw and raw[:3] not in (b'"""', b"'''")


_KEYS = ("bare_key", "quoted_key", "dotted_key")


def _key_parts(node: tree_sitter.Node) -> Iterator[tuple[tree_sitter.Node, str]]:
    """The parts of a key from left to right; the grammar nests dotted keys to the left."""
    pending = [node]
    while pending:
        part = pending.pop()
        if part.type == "dotted_key":
            pending.extend(reversed([child for child in part.children if child.type in _KEYS]))
        else:
            yield part, _key_text(part)


def _key_text(node: tree_sitter.Node) -> str:
    raw = (node.text or b"").decode("utf-8", "replace")
    if node.type != "quoted_key":
        return raw
    try:
        return next(iter(tomllib.loads(f"{raw} = 0")))
    except tomllib.TOMLDecodeError:
        return raw
