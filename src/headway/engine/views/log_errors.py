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
    rb"thread '[^']*' panicked",
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
_COLOURS = rb"(?:\x1b\[[0-9;:]*m|[ \t])*"
_LOOKS_LIKE = re.compile(
    rb"^" + _COLOURS + rb"(?:" + rb"|".join(_BEGINS) + rb")" + rb"|^[^\n]*(?:" + rb"|".join(_HOLDS) + rb")",
    re.MULTILINE,
)
_COUNTS_NONE = re.compile(rb"\b(?:0|no) (?:\w+ )?(?:error|failure|failed|fail)", re.IGNORECASE)


def first_error(log: bytes) -> int | None:
    """Where in these bytes the first line begins that looks like an error; None when none does."""
    position = 0
    while match := _LOOKS_LIKE.search(log, position):
        start = match.start()
        end = log.find(b"\n", start)
        end = len(log) if end < 0 else end
        if not _COUNTS_NONE.search(log, start, end):
            return start
        position = end + 1
    return None
