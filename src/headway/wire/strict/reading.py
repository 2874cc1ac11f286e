"""Text in, model out: syntax, then shape and meaning together, so that all faults come at once."""

import re
import tomllib
from collections.abc import Callable, Iterable
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError

from headway.wire.strict.faults import MOST_FAULTS, Fault, FileInvalid, Problem, render_path
from headway.wire.strict.raw import Table
from headway.wire.strict.syntax import TooMuch, load_toml
from headway.wire.strict.translate import problems_of_shape
from headway.wire.strict.whole import problems_of_the_whole

if TYPE_CHECKING:
    from headway.wire.strict.positions import Positions

AnyModel = TypeVar("AnyModel", bound=BaseModel)

#: Characters. Far beyond any file of ours: a thousand hosts take about 40 KiB.
LARGEST_FILE = 256 * 1024
_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


def read_file(
    text: str,
    file: str,
    model: type[AnyModel],
    *,
    first: Callable[[Table], list[Problem]],
    meaning: Callable[[Table], Iterable[Problem]],
    invalid: type[FileInvalid],
) -> AnyModel:
    """The model that `text` writes down; `file` is the name that faults are shown with.

    `first` is asked of the document before anything else, `meaning` what the shape cannot say. Raises `invalid` with all
    faults at once, in the file's order.
    """
    document = _parse(text, file, invalid)
    problems = problems_of_the_whole(document) or first(document)
    if problems:
        raise invalid(file, _placed(text, file, problems))
    shape: AnyModel | None = None
    try:
        shape = model.model_validate(document)
    except ValidationError as error:
        problems = problems_of_shape(error, model)
    problems += islice(meaning(document), MOST_FAULTS)
    if problems or shape is None:
        raise invalid(file, _placed(text, file, problems))
    return shape


def _parse(text: str, file: str, invalid: type[FileInvalid]) -> Table:
    """The document as tomllib reads it. Raises `invalid` with the one fault of its syntax."""
    if len(text) > LARGEST_FILE:
        allowed = f"allowed are {LARGEST_FILE // 1024} KiB"
        raise _unreadable(invalid, file, 1, 1, f"the file is {len(text) // 1024} KiB long; {allowed}")
    if text.startswith("\ufeff"):
        raise _unreadable(
            invalid, file, 1, 1, "the file begins with a byte order mark; save it as UTF-8 without one"
        )
    try:
        return load_toml(text)
    except TooMuch as error:
        raise _unreadable(invalid, file, error.line, error.column, error.message) from None
    except RecursionError:
        raise _unreadable(invalid, file, 1, 1, "the file is nested too deeply") from None
    except tomllib.TOMLDecodeError as error:
        message, line, column = _syntax(str(error), text)
        raise _unreadable(invalid, file, line, column, message) from None
    except ValueError as error:
        # tomllib lets pass what Python says of a number with thousands of digits.
        raise _unreadable(invalid, file, 1, 1, f"a value cannot be read: {error}") from None


def _syntax(said: str, text: str) -> tuple[str, int, int]:
    place = _PLACE.search(said)
    message = _PLACE.sub("", said)
    if place is None or place[1] is None:
        lines = text.splitlines() or [""]
        line, column = len(lines), len(lines[-1]) + 1
    else:
        line, column = int(place[1]), int(place[2])
    better = {
        "Cannot overwrite a value": "this key stands twice in its table",
        "Invalid value": "there is no value that TOML knows here; text needs quotes",
    }.get(message)
    return f"this is not TOML: {better or message[:1].lower() + message[1:]}", line, column


def _unreadable(invalid: type[FileInvalid], file: str, line: int, column: int, message: str) -> FileInvalid:
    return invalid(file, [Fault(file, "", line, column, message)])


def _placed(text: str, file: str, problems: list[Problem]) -> list[Fault]:
    """Each problem at its line, each once, in the file's order."""
    from headway.wire.strict.positions import locate

    positions = locate(text)
    faults = {_fault(problem, file, positions) for problem in problems}
    in_order = sorted(faults, key=lambda fault: (fault.line, fault.column, fault.key_path, fault.message))
    return in_order[:MOST_FAULTS]


def _fault(problem: Problem, file: str, positions: "Positions") -> Fault:
    place = (positions.key if problem.at_key else positions.value)(problem.path)
    message = problem.message
    if problem.character:
        inside = positions.inside(problem.path, problem.character)
        place = inside or place
        message += "" if inside else f" (at its character {problem.character})"
    return Fault(
        file,
        render_path(problem.path),
        place.line,
        place.column,
        message,
        problem.found,
        problem.allowed,
        problem.near,
    )
