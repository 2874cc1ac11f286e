"""Globs: `*` and `?` stay within a part, `[a-z]` is one of these, `**` crosses parts, `\\` takes a sign as it stands.

All patterns that repositories write go through here: of branches and tags (`takes_in`: the whole name is meant), of
changed files and texts in a condition (`first_taken_in`: as git's ignore files mean it), of artifacts (`Glob` itself,
which a walk through folders asks part by part).

Strangers write both the pattern and the name, so the time is linear in the name, for every pattern. The proof:
- Stars cut a part into chunks, and a chunk has no repeat in it: it is of one length, and looking whether it stands at a
  place costs at most its own length.
- The first chunk has to stand at the beginning, the last at the end, and each of those between is looked for once, from
  left to right: the leftmost place leaves the most for those after it, so no choice is ever taken back. A place of the
  name is looked at by one chunk, but for the one place where the next begins. So a part costs at most |part| · (|name| + 1).
- Over several parts a set of places in the glob is kept, so each part of the glob meets each part of the name at most
  once. The sum of all these products is at most |glob| · (|name| + number of the name's parts).
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

_CLASSES: dict[str, Callable[[str], bool]] = {
    "alpha": str.isalpha, "digit": str.isdigit, "alnum": str.isalnum, "upper": str.isupper, "lower": str.islower,
    "space": str.isspace, "punct": lambda sign: sign.isascii() and sign.isprintable() and not sign.isalnum() and sign != " ",
    "xdigit": lambda sign: sign in "0123456789abcdefABCDEF",
}  # fmt: skip
_ASCII = [chr(code) for code in range(128)]


class Unreadable(ValueError):
    """A glob that can mean nothing: `[a-`, or a lone `\\` at its end."""


@dataclass(frozen=True, slots=True)
class _Chunk:
    """What stands between two stars: `size` characters, each a sign, any, or one of a class."""

    size: int
    #: Without a repeat in it; None where all of it is literal.
    pattern: "re.Pattern[str] | None"
    literal: str = ""

    def stands_at(self, text: str, place: int) -> bool:
        if self.pattern is None:
            return text.startswith(self.literal, place)
        return self.pattern.match(text, place) is not None

    def find(self, text: str, start: int, end: int) -> int:
        """The leftmost place from `start` on at which it ends before `end`; -1 where there is none."""
        if self.pattern is None:
            return text.find(self.literal, start, end)
        found = self.pattern.search(text, start, end)
        return -1 if found is None else found.start()


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a glob: its chunks, with a star between any two."""

    chunks: tuple[_Chunk, ...]

    def fits(self, text: str) -> bool:
        first, last = self.chunks[0], self.chunks[-1]
        if len(self.chunks) == 1:
            return len(text) == first.size and first.stands_at(text, 0)
        place, end = first.size, len(text) - last.size
        if place > end or not first.stands_at(text, 0) or not last.stands_at(text, end):
            return False
        for chunk in self.chunks[1:-1]:
            found = chunk.find(text, place, end)
            if found < 0:
                return False
            place = found + chunk.size
        return True


@dataclass(frozen=True, slots=True)
class Glob:
    """Its parts, None for `**`. Places are bits of a number: bit n says that n parts of the glob may be behind us."""

    parts: tuple[_Part | None, ...]
    #: The places of `**`. Two of them never stand side by side.
    crossings: int

    @property
    def crosses(self) -> bool:
        return self.crossings != 0

    def begin(self) -> int:
        return 1 | (1 & self.crossings) << 1

    def step(self, places: int, part: str) -> int:
        """Where the name's next part leads to from these places; 0: nothing that begins so is taken in."""
        found, left = places & self.crossings, places & ~self.crossings
        while left:
            place = (left & -left).bit_length() - 1
            left &= left - 1
            if place < len(self.parts):
                wanted = self.parts[place]
                if wanted is not None and wanted.fits(part):
                    found |= 2 << place
        # `**` may also stand for no part at all.
        return found | (found & self.crossings) << 1

    def is_end(self, places: int) -> bool:
        return bool(places >> len(self.parts) & 1)

    def takes_in(self, parts: Sequence[str]) -> bool:
        return self.meets(parts)[1]

    def meets(self, parts: Sequence[str]) -> tuple[bool, bool]:
        """Whether it takes in a folder above the last of these parts, and whether it takes in the last itself."""
        places, above, is_end = self.begin(), False, False
        for part in parts:
            above = above or is_end
            places = self.step(places, part)
            if not places:
                return above, False
            is_end = self.is_end(places)
        return above, is_end


@lru_cache(maxsize=1024)
def read_glob(text: str) -> Glob:
    """Raises Unreadable."""
    parts: list[_Part | None] = []
    for part in text.split("/"):
        if part != "**":
            parts.append(_Part(tuple(_chunks(part))))
        elif not parts or parts[-1] is not None:
            parts.append(None)
    return Glob(tuple(parts), sum(1 << place for place, part in enumerate(parts) if part is None))


def takes_in(globs: Iterable[str], name: str) -> bool:
    """Whether the list takes the name in; the last glob that fits decides, `!GLOB` takes out. An empty list takes in
    nothing, nor does a glob that cannot be read."""
    parts = name.split("/")
    taken = False
    for glob in globs:
        wanted = glob.removeprefix("!")
        try:
            fits = read_glob(wanted).takes_in(parts)
        except Unreadable:
            continue
        if fits:
            taken = wanted == glob
    return taken


def read_path_glob(text: str) -> Glob:
    """A glob of artifacts and reports, from the top of the job's folder. Raises Unreadable.

    What it takes in is meant, and where nothing in it crosses folders, a folder that it takes in with all below.
    """
    parts = [part for part in text.removesuffix("/").split("/") if part != "."]
    for part in parts:
        if "**" in part and part != "**":
            raise Unreadable("`**` stands alone between slashes, as in out/**/*.log")
    return read_glob("/".join(_below(parts)))


@dataclass(frozen=True, slots=True)
class _Rule:
    """One line of an ignore file."""

    glob: Glob
    takes: bool
    #: It means folders, and so what is below them.
    only_folders: bool


def first_taken_in(globs: Sequence[str], paths: Iterable[str]) -> str | None:
    """The first path that the globs take in, as git's ignore files mean them; one that cannot be read says nothing.

    Without a slash inside a glob means a name at any depth, with one it is meant from the top; a folder takes in all
    below it. The last that fits decides, but a `!GLOB` that only meets a folder above leaves in what was named itself.
    """
    rules: list[_Rule] = []
    for glob in globs:
        try:
            rule = read_rule(glob)
        except Unreadable:
            continue
        if rule is not None:
            rules.append(rule)
    return next((path for path in paths if _is_taken(rules, path.split("/"))), None)


def read_rule(line: str) -> _Rule | None:
    """None for one that git reads over: a comment, a blank line. Raises Unreadable."""
    text = line if line.endswith("\\ ") else line.rstrip()
    if not text or text.startswith("#") or text == "/":
        return None
    body = text.removeprefix("!")
    only_folders, body = body.endswith("/"), body.removesuffix("/")
    is_anchored, body = "/" in body, body.removeprefix("/")
    if not body:
        raise Unreadable(f"'{line}' names nothing")
    parts = body.split("/") if is_anchored else ["**", body]
    return _Rule(read_glob("/".join(_below(parts))), not text.startswith("!"), only_folders)


def _below(parts: list[str]) -> list[str]:
    """At the end `**` means what is below: at least one part."""
    return [*parts, "*"] if parts and parts[-1] == "**" else parts


def _is_taken(rules: Sequence[_Rule], parts: Sequence[str]) -> bool:
    taken = by_name = False
    for rule in rules:
        above, itself = rule.glob.meets(parts)
        itself = itself and not rule.only_folders
        if itself or (above and (rule.takes or not by_name)):
            taken, by_name = rule.takes, itself
    return taken


def _chunks(part: str) -> Iterable[_Chunk]:
    """Between any two stars; several stars side by side are one."""
    signs: list[str] = []
    literal: list[str] | None = []
    place, was_star = 0, False
    while place < len(part):
        sign = part[place]
        place += 1
        if sign == "*":
            if not was_star:
                yield _chunk(signs, literal)
                signs, literal = [], []
            was_star = True
            continue
        was_star = False
        if sign == "?":
            signs.append(".")
            literal = None
        elif sign == "[":
            found, place = _class(part, place)
            signs.append(found)
            literal = None
        else:
            if sign == "\\":
                if place == len(part):
                    raise Unreadable(f"'{part}' ends with a lone \\")
                sign = part[place]
                place += 1
            signs.append(re.escape(sign))
            if literal is not None:
                literal.append(sign)
    yield _chunk(signs, literal)


def _chunk(signs: Sequence[str], literal: Sequence[str] | None) -> _Chunk:
    if literal is not None:
        return _Chunk(len(signs), None, "".join(literal))
    return _Chunk(len(signs), re.compile("".join(signs), re.DOTALL))


def _class(part: str, place: int) -> tuple[str, int]:
    """What follows a `[`, as a class of `re`, and the place after its `]`."""
    begin = place
    negated = part[place : place + 1] in ("!", "^")
    place += negated
    members: list[str] = []
    first = True
    while first or part[place : place + 1] != "]":
        first = False
        if place >= len(part):
            raise Unreadable(f"'[{part[begin:]}' has no ]")
        if part.startswith("[:", place) and (close := part.find(":]", place)) > 0:
            holds = _CLASSES.get(part[place + 2 : close])
            if holds is None:
                raise Unreadable(f"'[{part[place:close]}:]' is no class of signs")
            members += [re.escape(sign) for sign in _ASCII if holds(sign)]
            place = close + 2
            continue
        low, place = _member(part, place)
        if part[place : place + 1] == "-" and part[place + 1 : place + 2] not in ("]", ""):
            high, place = _member(part, place + 1)
            if low <= high:
                members.append(f"{re.escape(low)}-{re.escape(high)}")
            continue
        members.append(re.escape(low))
    if not members:
        return (".", place + 1) if negated else ("(?!)", place + 1)
    return f"[{'^' if negated else ''}{''.join(members)}]", place + 1


def _member(part: str, place: int) -> tuple[str, int]:
    if part[place] == "\\":
        place += 1
        if place >= len(part):
            raise Unreadable(f"'{part}' ends with a lone \\")
    return part[place], place + 1
