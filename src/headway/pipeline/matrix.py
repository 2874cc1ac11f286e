"""Matrix expansion: one job definition becomes one job for each combination of its axes' values."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

from headway.domain.contract import JobDefinition


@dataclass(frozen=True, slots=True)
class Variant:
    """One job of a definition: `test (os=debian, python=3.12)`, or the definition's own name without a matrix."""

    name: str
    values: Mapping[str, str]


def count(definition: JobDefinition) -> int:
    """How many jobs `expand` would give, without making them: a hostile matrix must not fill the memory."""
    return math.prod(len(values) for values in definition.matrix.values())


def expand(definition: JobDefinition) -> tuple[Variant, ...]:
    """All combinations, the axes in the order of the file, the last one changing fastest."""
    if not definition.matrix:
        return (Variant(definition.name, {}),)
    axes = tuple(definition.matrix)
    found = []
    for combination in product(*definition.matrix.values()):
        values = dict(zip(axes, combination, strict=True))
        found.append(Variant(variant_name(definition.name, values), values))
    return tuple(found)


def variant_name(definition: str, values: Mapping[str, str]) -> str:
    """The name that people see and type."""
    if not values:
        return definition
    return f"{definition} ({', '.join(f'{axis}={value}' for axis, value in values.items())})"
