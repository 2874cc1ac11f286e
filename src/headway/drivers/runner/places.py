"""Where secrets stand in bytes: all forms of all of them, and the parts of their encodings (`encoded`).

Nearly all that is looked through holds none, so that is what has to be quick: one pass of RE2, as fast for five thousand
things to be looked for as for ten. Only where it matches the forms and texts themselves are compared.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from headway.base.secret import Secret
from headway.drivers.runner.encoded import Encoded

#: Overlapping places longer than this in all are cut: what is kept back must be bounded.
_LONGEST_PLACE = 1024
#: No form is shorter; by so many bytes it is looked up which ones may begin at a place.
_HEAD = 4
#: Of a form so much is looked for before all is compared: of a long one no more is needed to be rare.
_NEEDLE = 64
#: What RE2 may use for one set of secrets; it takes as it needs. More than an ordinary one has ever any use for.
_MEMORY = 1 << 26
#: For each byte of the expression, so that the largest compile.
_MEMORY_A_BYTE = 256


class Places:
    """Looks for these secrets."""

    def __init__(self, secrets: Sequence[Secret]) -> None:
        forms = sorted({form for secret in secrets for form in secret.forms()})
        self._has_forms = bool(forms)
        if not forms:
            return
        self._encoded = Encoded(secret.reveal().encode() for secret in secrets)
        self._by_head: dict[bytes, list[bytes]] = {}
        for form in forms:
            self._by_head.setdefault(form[:_HEAD], []).append(form)
        self._beginnings = frozenset(form[:length] for form in forms for length in range(1, _HEAD))
        self._longest = max(len(form) for form in forms)
        of_lines = [form for form in forms if b"\n" in form]
        self._longest_of_lines = max(map(len, of_lines), default=0)
        self._heads_of_lines = _compiled(_literals({form[:_HEAD] for form in of_lines}))
        self._heads = _compiled(_literals(self._by_head))
        self._needles = _compiled(
            _literals({form[:_NEEDLE] for form in forms}) + b"|" + self._encoded.pattern
        )

    def __bool__(self) -> bool:
        """Whether there is anything to be found."""
        return self._has_forms

    def find(self, data: bytes) -> list[tuple[int, int]]:
        """Begin and end of each, sorted, apart from each other: places that overlap are one."""
        starts = list(_starts(self._needles, data, 0))
        found = list(self._encoded.places(data, starts)) if starts else []
        for at in starts:
            for form in self._by_head.get(data[at : at + _HEAD], ()):
                if data.startswith(form, at):
                    found.append((at, at + len(form)))
        found.sort()
        places: list[tuple[int, int]] = []
        for begin, end in found:
            if places and begin < places[-1][1]:
                first, last = places[-1]
                if begin - first < _LONGEST_PLACE:
                    places[-1] = (first, max(last, end))
                # else it has been cut: what overlaps the cut is not seen when reading on behind it either
            else:
                places.append((begin, end))
        return places

    def start_of_tail(self, data: bytes) -> int:
        """Where the bytes begin that are the beginning of a secret, as far as they go."""
        return min(self._encoded.start_of_tail(data), self._start_of_form(data))

    def _start_of_form(self, data: bytes) -> int:
        end = len(data)
        line = max(data.rfind(b"\n", max(0, end - self._longest)), end - self._longest, -1) + 1
        for at in chain(self._before(line, data), _starts(self._heads, data, line)):
            rest = data[at:]
            for form in self._by_head.get(rest[:_HEAD], ()):
                if len(form) > len(rest) and form.startswith(rest):
                    return at
        for length in range(min(_HEAD - 1, end), 0, -1):
            if data[end - length :] in self._beginnings:
                return end - length
        return end

    def _before(self, line: int, data: bytes) -> Iterator[int]:
        """Before the last line only what has a newline in it can begin. (A value of indented lines begins at every blank.)"""
        if self._longest_of_lines:
            begin = len(data) - self._longest_of_lines + 1
            for at in _starts(self._heads_of_lines, data, begin, line + _HEAD - 1):
                if at < line:
                    yield at


def _starts(pattern: Any, data: bytes, begin: int, end: int | None = None) -> Iterator[int]:
    """All bytes that are part of a match: each match there is begins at one of them, the overlapping too."""
    return chain.from_iterable(range(*match.span()) for match in pattern.finditer(data, begin, end))


def _literals(texts: Iterable[bytes]) -> bytes:
    import re2

    return b"|".join(re2.escape(text) for text in sorted(texts))


def _compiled(expression: bytes) -> Any:
    import re2

    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.never_capture = True
    options.log_errors = False
    options.max_mem = max(_MEMORY, _MEMORY_A_BYTE * len(expression))
    pattern = re2.compile(expression, options)
    re2.purge()  # its own cache would keep what ours has let go
    return pattern
