"""What is asked of a file as a whole before anything else: depth, zero bytes, the number of its format."""

from collections.abc import Sequence
from typing import Any

from headway.wire.strict.faults import Path, Problem, show, wrong
from headway.wire.strict.syntax import DEEPEST


def problems_of_the_whole(document: dict[str, Any]) -> list[Problem]:
    """Nesting beyond DEEPEST, and zero bytes, which no environment or script can carry."""
    problems: list[Problem] = []
    pending: list[tuple[Path, object]] = [((), document)]
    while pending:
        path, value = pending.pop()
        if len(path) > DEEPEST:
            return [Problem(path[:DEEPEST], f"is nested deeper than {DEEPEST} levels", at_key=True)]
        if isinstance(value, dict):
            problems += [_zero_byte((*path, key), at_key=True) for key in value if "\0" in key]
            pending += [((*path, key), item) for key, item in value.items()]
        elif isinstance(value, list):
            pending += [((*path, number), item) for number, item in enumerate(value)]
        elif isinstance(value, str) and "\0" in value:
            problems.append(_zero_byte(path))
    return problems


def _zero_byte(path: Path, *, at_key: bool = False) -> Problem:
    return Problem(
        path, "holds a zero byte, which no script or variable can carry", "a zero byte", at_key=at_key
    )


def number_problems(document: dict[str, Any], key: str, known: Sequence[int]) -> list[Problem]:
    """The format's number comes first: under another one every key may mean something else."""
    newest = known[-1]
    number = document[key]
    if isinstance(number, bool) or not isinstance(number, int):
        return [wrong((key,), number, f"the number {newest}")]
    if number not in known:
        reads = ", ".join(str(one) for one in known)
        message = f"{key} {number} is not known to this Headway, which reads {reads}; another version may"
        return [Problem((key,), message, show(number), str(newest))]
    return []
