"""JUnit XML test reports, read piece by piece: a report is written by a job, so it may hold anything.

At most 32 MiB and 50,000 cases a file are read; a DTD, and with it every entity of its own and every file it
could name, is refused before it is looked at. A whole-tree parser takes 200 to 290 MB for a report of 54 MB.
"""

import math
import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn
from xml.parsers import expat

from headway.base.durations import format_size
from headway.base.errors import Failed
from headway.domain.run import TestCase, TestSummary
from headway.domain.states import State

MOST_BYTES = 32 * 2**20
MOST_CASES = 50_000
_DEEPEST = 64
#: Bytes of UTF-8 kept of a failure's message and text; a name is far shorter in any sane report.
_LONGEST_MESSAGE = 8 * 1024
#: Characters of a failure's text that are read, so that masking shortens it to what is kept.
_MOST_TEXT = 64 * 1024
_LONGEST_NAME = 1024
_LONGEST_DURATION = 10.0 * 365 * 86400
# A token that spans chunks is scanned anew with each of them, so chunks are large.
_CHUNK = 1 << 20

#: The ends that a case may have beside success. Surefire adds flaky and rerun elements, which decide nothing.
_ENDS = {"failure": State.FAILED, "error": State.ERRORED, "skipped": State.SKIPPED}
#: What the case is called that stands for a suite.
_OF_SUITE = "(the whole suite)"
#: One that is worse replaces one that was found before.
_WORSE = {State.SUCCEEDED: 0, State.SKIPPED: 1, State.FAILED: 2, State.ERRORED: 3}
# What a page or a terminal must not meet: control characters except tab and line feed.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


class JunitInvalid(Failed):
    """The report cannot be counted; the message names file, line and cause."""


#: A text without secrets; of one that is not whole (the second) its last letters may be half of a secret, and go.
Masked = Callable[[str, bool], str]


def read_junit(
    path: Path, name: str | None = None, masked: Masked = lambda text, is_whole: text
) -> tuple[TestSummary, tuple[TestCase, ...]]:
    """What the report at `path` says, its cases in the order of the file. `name` is what messages call it.

    Everything that is kept is `masked` before it is cut.

    Messages of failed, errored and skipped cases are kept, cut at 8 KiB. Durations are seconds; those that are
    no number, negative or longer than ten years become 0. Raises JunitInvalid.
    """
    reader = _Reader(name or path.name, masked)
    try:
        # Without O_NONBLOCK a named pipe would hold us until somebody writes to it.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as report:
            if not stat.S_ISREG(os.fstat(report.fileno()).st_mode):
                reader.refuse("is not a regular file")
            return reader.read(report)
    except OSError as error:
        reader.refuse(f"cannot be read: {error.strerror}")


def add_summaries(*summaries: TestSummary) -> TestSummary:
    return TestSummary(
        total=sum(summary.total for summary in summaries),
        failed=sum(summary.failed for summary in summaries),
        errored=sum(summary.errored for summary in summaries),
        skipped=sum(summary.skipped for summary in summaries),
    )


class _Reader:
    """One file on its way through the parser."""

    def __init__(self, name: str, masked: Masked) -> None:
        self.name, self._masked = name, masked
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._begin
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._parser.StartDoctypeDeclHandler = lambda *_: self._fault("it has a DTD, which is refused")
        self._parser.EntityDeclHandler = lambda *_: self._fault("it declares an entity, which is refused")
        self._depth = 0
        self._suites: list[_Suite] = []
        self._cases: list[TestCase] = []
        self._case: _Case | None = None

    def read(self, report: BinaryIO) -> tuple[TestSummary, tuple[TestCase, ...]]:
        taken = 0
        try:
            while piece := report.read(_CHUNK):
                taken += len(piece)
                if taken > MOST_BYTES:
                    self.refuse(f"is larger than {format_size(MOST_BYTES)}")
                self._parser.Parse(piece, False)
            self._parser.Parse(b"", True)
        except (expat.ExpatError, LookupError, ValueError) as error:
            # LookupError and ValueError: an encoding that Python does not know, or that is not of single bytes.
            self._fault(_cause(error))
        finally:
            # The handlers are bound methods: without this, reader and parser would keep each other alive.
            self._parser.StartElementHandler = self._parser.EndElementHandler = None
            self._parser.CharacterDataHandler = self._parser.StartDoctypeDeclHandler = None
            self._parser.EntityDeclHandler = None
        ends = [case.state for case in self._cases]
        summary = TestSummary(
            total=len(ends),
            failed=ends.count(State.FAILED),
            errored=ends.count(State.ERRORED),
            skipped=ends.count(State.SKIPPED),
        )
        return summary, tuple(self._cases)

    def refuse(self, why: str) -> NoReturn:
        raise JunitInvalid(
            f"the test report {self.name} {why}",
            hint="see reports.junit in headway.toml and what the job wrote",
        )

    def _fault(self, cause: str) -> NoReturn:
        self.refuse(f"cannot be counted: line {self._parser.CurrentLineNumber}: {cause}")

    def _begin(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            self._fault(f"its elements are nested deeper than {_DEEPEST}")
        tag = tag.rpartition(":")[2]
        if self._depth == 1 and tag not in ("testsuites", "testsuite"):
            self._fault(
                f"it begins with <{_name(self._masked(tag, True))}>, not with <testsuites> or <testsuite>"
            )
        if self._case is not None:
            if tag == "testcase":
                self._fault("a testcase stands within another one")
            if tag in _ENDS and self._depth == self._case.depth + 1:
                self._case.meet(_ENDS[tag], attributes)
        elif tag in ("testsuite", "testsuites"):
            self._suites.append(_Suite.of(tag, attributes, self._depth, len(self._cases)))
        elif tag == "testcase":
            self._case = self._open(attributes, self._depth)
        elif tag in ("failure", "error") and self._suites and self._depth == self._suites[-1].depth + 1:
            # A suite that could not be set up, torn down or even read has an end of its own.
            self._case = self._open({"name": _OF_SUITE}, self._depth)
            self._case.meet(_ENDS[tag], attributes)

    def _open(self, attributes: dict[str, str], depth: int) -> "_Case":
        if len(self._cases) >= MOST_CASES:
            self._fault(f"it has more than {MOST_CASES:,} cases")
        return _Case(attributes, self._suites[-1].name if self._suites else "", depth, self._masked)

    def _end(self, tag: str) -> None:
        if self._case is not None and self._depth == self._case.depth:
            self._case.leave()
            self._cases.append(self._case.finished())
            self._case = None
        elif self._case is not None and self._depth == self._case.depth + 1:
            self._case.leave()
        elif self._suites and self._depth == self._suites[-1].depth:
            self._close(self._suites[-1])
            self._suites.pop()
        self._depth -= 1

    def _close(self, suite: "_Suite") -> None:
        """One that says that it failed counts as failed, also where no case of it tells how."""
        bad = any(case.state in (State.FAILED, State.ERRORED) for case in self._cases[suite.first_case :])
        if suite.says and not bad:
            case = self._open({"name": _OF_SUITE}, suite.depth)
            case.meet(State.ERRORED, {"message": f"the suite says {suite.says}, and none of its cases did"})
            self._cases.append(case.finished())

    def _characters(self, text: str) -> None:
        if self._case is not None:
            self._case.hear(text)


@dataclass(frozen=True, slots=True)
class _Suite:
    name: str
    depth: int
    #: Of all cases that there were when it began.
    first_case: int
    #: What it says of failures and errors in it; empty: none.
    says: str

    @classmethod
    def of(cls, tag: str, attributes: dict[str, str], depth: int, first_case: int) -> "_Suite":
        said = [
            f'{kind}="{attributes[kind]}"'
            for kind in ("errors", "failures")
            if _line(attributes.get(kind, ""))
        ]
        return cls(
            attributes.get("name", "") if tag == "testsuite" else "", depth, first_case, " ".join(said)
        )


class _Case:
    """A case whose end has not come yet."""

    def __init__(self, attributes: dict[str, str], suite: str, depth: int, masked: Masked) -> None:
        self.depth, self._masked = depth, masked
        self._attributes = attributes
        self._suite = attributes.get("classname") or suite
        # Googletest says `notrun` of a disabled test and has no element for it.
        idle = attributes.get("status") in ("notrun", "disabled")
        self._state = State.SKIPPED if idle else State.SUCCEEDED
        self._message = ""
        self._heard: list[str] | None = None
        self._room = 0

    def meet(self, state: State, attributes: dict[str, str]) -> None:
        """A failure, error or skip begins; the worst one of a case counts, the first one of its kind."""
        if _WORSE[state] > _WORSE[self._state] or (state is self._state and not self._message):
            self._state = state
            self._message = self._masked(attributes.get("message") or attributes.get("type") or "", True)
            self._heard, self._room = [], _MOST_TEXT

    def hear(self, text: str) -> None:
        if self._heard is not None and self._room >= 0:
            self._heard.append(text[: self._room])
            self._room -= len(text)

    def leave(self) -> None:
        """The element ends: its text follows its message, unless it says the same again."""
        if self._heard is not None:
            text = self._masked("".join(self._heard), self._room >= 0).strip()
            repeated = text.startswith(self._message)
            self._message = text if repeated else f"{self._message}\n{text}".strip()
            self._heard = None

    def finished(self) -> TestCase:
        attributes = self._attributes
        return TestCase(
            suite=_name(self._masked(self._suite, True)),
            name=_name(self._masked(attributes.get("name", ""), True)),
            state=self._state,
            duration=_seconds(attributes.get("time", "")),
            message=_cut(_CONTROL.sub("\ufffd", self._message), _LONGEST_MESSAGE),
            file=_name(self._masked(attributes["file"], True)) if attributes.get("file") else None,
            line=_line(attributes.get("line", "")),
        )


def _name(text: str) -> str:
    return _cut(_CONTROL.sub("\ufffd", text).replace("\n", " "), _LONGEST_NAME)


def _cut(text: str, most: int) -> str:
    """At most `most` bytes of UTF-8, with an ellipsis where something went."""
    if len(text) * 4 <= most or len(encoded := text.encode()) <= most:
        return text
    return encoded[: most - 3].decode(errors="ignore") + "…"


def _seconds(text: str) -> float:
    """`0.012`, `1,234.5` (Surefire's thousands), `0,012` (a locale's comma); 0 for anything else."""
    text = text.strip()
    if text.count(",") == 1 and "." not in text:
        text = text.replace(",", ".")
    try:
        seconds = float(text.replace(",", ""))
    except ValueError:
        return 0.0
    return seconds if math.isfinite(seconds) and 0 <= seconds <= _LONGEST_DURATION else 0.0


def _line(text: str) -> int | None:
    """A line's number; None for what is none, or would not fit into the store's column."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else None


def _cause(error: Exception) -> str:
    if isinstance(error, expat.ExpatError):
        return str(expat.ErrorString(error.code))
    return "its encoding is not known"
