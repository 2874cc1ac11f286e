"""Frozen dataclasses as JSON values and back: what is stored of a plan needs no copy of its fields by hand."""

from collections.abc import Mapping, Set
from dataclasses import fields, is_dataclass
from datetime import timedelta
from enum import Enum
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


def to_plain(value: object) -> object:
    """Dataclasses as objects, durations in seconds, enums by value, tuples as arrays, sets as sorted arrays."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list, Set)):
        plain: list[Any] = [to_plain(item) for item in value]
        return sorted(plain) if isinstance(value, Set) else plain
    return value


def from_plain(kind: type[T], value: Any) -> T:
    """What `to_plain` made of a `kind`. A field that an older version of Headway didn't know gets its default.

    Raises ValueError, TypeError, KeyError or AttributeError for what is none.
    """
    built: T = _build(kind, value)
    return built


def _build(kind: Any, value: Any) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        inner = next(part for part in arguments if part is not NoneType)
        return None if value is None else _build(inner, value)
    if origin in (tuple, frozenset):
        return origin(_build(arguments[0], item) for item in value)
    if origin is not None and issubclass(origin, Mapping):
        return {key: _build(arguments[1], item) for key, item in value.items()}
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        return kind(**{name: _build(hints[name], item) for name, item in value.items() if name in hints})  # type: ignore[operator]
    return _build_leaf(kind, value)


def _build_leaf(kind: Any, value: Any) -> Any:
    if kind is timedelta:
        return timedelta(seconds=value)
    if issubclass(kind, Enum):
        return kind(value)
    if kind in (str, int, bool) and not isinstance(value, kind):
        raise ValueError(f"{kind.__name__} expected, not {type(value).__name__}")
    return value
