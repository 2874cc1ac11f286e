"""From pydantic's errors to problems in our words: key path, what was found, what is allowed, the near word."""

import re
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, Tag, ValidationError
from pydantic_core import ErrorDetails

from headway.wire.strict.faults import (
    MOST_FAULTS,
    Path,
    Problem,
    listing,
    render_path,
    show,
    unknown,
    wrong,
)
from headway.wire.strict.model import ordered_fields
from headway.wire.strict.toml import toml_line

_QUOTED = re.compile(r"'([^']*)'")
_TYPES = {
    "string_type": "text in quotes",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
}


def problems_of_shape(error: ValidationError, model: type[BaseModel]) -> list[Problem]:
    """The errors of a file that is not a `model`, with the tags of unions taken out of their paths; the first MOST_FAULTS."""
    return [_problem(details, model) for details in error.errors(include_url=False)[:MOST_FAULTS]]


def _problem(details: ErrorDetails, model: type[BaseModel]) -> Problem:
    location = details["loc"]
    at_key = bool(location) and location[-1] == "[key]"
    path: Path = tuple(part for part in location if part != "[key]" and not str(part).startswith("§"))
    kind, found, context = details["type"], details["input"], details.get("ctx", {})
    if kind == "value_error":
        return Problem(path, str(context["error"]), show(found), at_key=at_key)
    if kind == "extra_forbidden":
        return unknown(path, str(path[-1]), "no known key", _allowed_keys(location, model), at_key=True)
    match kind:
        case "missing":
            problem = _missing(path, location, model)
        case "literal_error" | "enum":
            problem = _not_one_of(path, found, _QUOTED.findall(str(context.get("expected", ""))))
        case "kind":
            problem = _kind(path, found, details["msg"], context)
        case "written":
            problem = wrong(path, found, details["msg"])
        case _:
            problem = wrong(path, found, _allowed(kind, context, details["msg"]), at_key=at_key)
    return problem


def _allowed(kind: str, context: dict[str, Any], message: str) -> str:
    if kind in _TYPES:
        return _TYPES[kind]
    if kind == "too_short":
        return "one item or more"
    if kind == "greater_than_equal":
        return f"{context['ge']} or more"
    if kind == "less_than_equal":
        return f"up to {context['le']}"
    return message[:1].lower() + message[1:]


def _not_one_of(path: Path, found: object, words: list[str]) -> Problem:
    if isinstance(found, str):
        return unknown(path, found, "not known here", words)
    return wrong(path, found, listing([f"'{word}'" for word in words]))


def _kind(path: Path, found: object, allowed: str, context: dict[str, Any]) -> Problem:
    """A union of tables that are told apart by their `kind`."""
    kinds = str(context["kinds"]).split()
    if isinstance(found, dict) and isinstance(found.get("kind"), str):
        return unknown((*path, "kind"), found["kind"], f"no {context['noun']}", kinds)
    if isinstance(found, dict) and "kind" not in found:
        return Problem((*path, "kind"), f"is missing; allowed: {listing(kinds)}", allowed=listing(kinds))
    return wrong(path, found, allowed)


def _missing(path: Path, location: tuple[int | str, ...], model: type[BaseModel]) -> Problem:
    """With the example of the manual, so that the next step needs no look into it."""
    table, name = _table_at(location[:-1], model), location[-1]
    field = ordered_fields(table).get(str(name)) if table else None
    if field is not None and field.examples:
        line = toml_line(str(name), field.examples[0])
        return Problem(path, f"is missing; write it, such as: {line}", allowed=line)
    return Problem(path, f"is missing; write a table [{render_path(path)}]", allowed="a table")


def _allowed_keys(location: tuple[int | str, ...], model: type[BaseModel]) -> list[str]:
    """The keys of the table in which an unknown key stood, in the order of the manual."""
    table = _table_at(location[:-1], model)
    return list(ordered_fields(table)) if table else []


def _table_at(location: tuple[int | str, ...], model: type[BaseModel]) -> type[BaseModel] | None:
    found: Any = model
    for part in location:
        found = _inside(found, part)
    found = _plain(found)
    return found if isinstance(found, type) and issubclass(found, BaseModel) else None


def _inside(annotation: Any, part: int | str) -> Any:
    """The type one part of an error's location further in; a part may be the tag of a union's arm."""
    if str(part).startswith("§"):
        arms = get_args(_plain(annotation))
        return next((arm for arm in arms if Tag(str(part)) in getattr(arm, "__metadata__", ())), None)
    annotation = _plain(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        field = ordered_fields(annotation).get(str(part))
        return field.annotation if field else None
    arguments = get_args(annotation)
    return arguments[-1] if arguments else None


def _plain(annotation: Any) -> Any:
    """Without Annotated and without `| None`."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif type(None) in get_args(annotation):
            annotation = next(arm for arm in get_args(annotation) if arm is not type(None))
        else:
            return annotation
