"""Where a failed step's log first looks like an error: the line at which the log viewer opens.

A rule over bytes, not a parser of each tool: what compilers, test runners, shells and interpreters begin their
complaints with. Lines that only count errors ("0 errors") or name them in passing do not look like one.
"""

import re

#: What a line begins with (after blanks and colours) when it complains.
_BEGINS = (
    rb"E {2,}\S",  # pytest's own margin
    rb"Traceback \(most recent call last\)",
    rb"(?:fatal|panic|error|fail|failure|failed|errored|exception)(?:\[[\w-]+\])?(?::|!| -|$)",
    rb"(?:FATAL|PANIC|ERROR|FAIL|FAILED|CRITICAL)\b",
    rb"--- FAIL:",
    rb"[\w.]*(?:Error|Exception|Failure)(?::|$)",
    rb"npm (?:ERR!|error)",
    rb"(?:\xe2\x9c\x95|\xe2\x9c\x97|\xe2\x9c\x98|\xc3\x97|\xe2\x9d\x8c)",  # crosses
    rb"not ok \d",
    rb"thread '[^'\n]*' panicked",
    rb"make(?:\[\d+\])?: \*\*\* ",
    rb"Exception in thread",
    rb"Segmentation fault|Killed$|Aborted\b",
)
#: What may stand anywhere in it.
_HOLDS = (
    rb":\d+(?::\d+)?: (?:fatal )?error\b",  # gcc, clang, mypy, rustc's short form
    rb": (?:command )?not found$",
    rb": No such file or directory$",
    rb": Permission denied$",
    rb"undefined reference to ",
    rb"Process completed with exit code [1-9]",
    rb"\[(?:ERROR|FATAL)\]",
)
#: Once read never given back (`*+`): a line of a million blanks is read once, and not from each of them anew.
_COLOURS = rb"(?:\x1b\[[0-9;:]*+m|[ \t]++)*+"
_BEGINNING = re.compile(rb"\n" + _COLOURS + rb"(?:" + rb"|".join(_BEGINS) + rb")", re.MULTILINE)
_HOLDING = re.compile(rb"|".join(_HOLDS), re.MULTILINE)
#: So many bytes are searched in one go: while one search goes on, nothing else of this program does.
_WINDOW = 65536
_COUNTS_NONE = re.compile(rb"\b(?:0|no) (?:\w+ )?(?:error|failure|failed|fail)", re.IGNORECASE)


def first_error(log: bytes) -> int | None:
    """Where in these bytes the first line begins that looks like an error; None when none does.

    Of a line that is longer than 64 KiB its beginning is looked at.
    """
    begin = 0
    while begin < len(log):
        stop = begin + _WINDOW
        if stop < len(log):
            # Whole lines; of one that is longer what comes behind is left out.
            whole = log.rfind(b"\n", begin, stop) + 1
            stop, following = (whole, whole) if whole else (stop, log.find(b"\n", stop) + 1 or len(log))
        else:
            following = stop
        place = _first_of(log[begin:stop])
        if place is not None:
            return begin + place
        begin = following
    return None


def _first_of(whole: bytes) -> int | None:
    lines = b"\n" + whole
    # Each pattern goes on from its own last place, so that both together read the lines once.
    searches = [_Search(_BEGINNING, lines), _Search(_HOLDING, lines)]
    position = 1
    while True:
        found = [at for search in searches if (at := search.at_or_after(position)) is not None]
        if not found:
            return None
        start = lines.rfind(b"\n", 0, min(found)) + 1
        end = lines.find(b"\n", start)
        end = len(lines) if end < 0 else end
        if not _COUNTS_NONE.search(lines, start, end):
            return start - 1
        position = end + 1


class _Search:
    def __init__(self, pattern: re.Pattern[bytes], lines: bytes) -> None:
        self._pattern, self._lines = pattern, lines
        self._at: int | None = 0

    def at_or_after(self, position: int) -> int | None:
        """Where the first match ends, on a line that begins at or after `position`, which only grows."""
        if self._at is not None and self._at < position:
            # One that begins a line begins with the newline before it.
            match = self._pattern.search(self._lines, position - 1)
            self._at = match.end() if match else None
        return self._at
