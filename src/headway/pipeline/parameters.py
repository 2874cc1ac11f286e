"""The values of a manual run's parameters: what was given, what the contract says, and all that is wrong at once."""

from collections.abc import Mapping
from dataclasses import dataclass

from headway.base.near import nearest
from headway.domain.contract import ParameterSpec
from headway.domain.parameters import allowed_values, is_value


@dataclass(frozen=True, slots=True)
class ParameterFault:
    """`message` is one sentence that names the parameter."""

    name: str
    message: str


def check_parameters(
    specs: Mapping[str, ParameterSpec], given: Mapping[str, str], *, is_asked: bool = True
) -> tuple[dict[str, str], tuple[ParameterFault, ...]]:
    """Name -> value with the defaults filled in, in the contract's order; and every fault of what was given.

    `is_asked`: somebody was asked for values, so what is required must be there. A push was not. An empty text stands for a value that was not given, as a form sends it; except that a text may be empty.
    """
    faults = [_unknown(name, specs) for name in given if name not in specs]
    values: dict[str, str] = {}
    for name, spec in specs.items():
        value = given.get(name)
        if value == "" and not is_value(spec, ""):
            value = None
        if value is None or (value == "" and spec.required):
            if spec.required and is_asked:
                faults.append(ParameterFault(name, f"{name} must be given: {allowed_values(spec)}"))
            elif spec.default is not None:
                values[name] = spec.default
        elif is_value(spec, value):
            values[name] = value
        else:
            shown = value if len(value) <= 60 else value[:60] + "…"
            faults.append(
                ParameterFault(name, f"{name} cannot be {shown!r}; allowed is {allowed_values(spec)}")
            )
    return values, tuple(faults)


def parameter_environment(specs: Mapping[str, ParameterSpec], values: Mapping[str, str]) -> dict[str, str]:
    """The variables in which steps find the values: PARAMETER_<NAME>."""
    return {specs[name].variable: value for name, value in values.items() if name in specs}


def _unknown(name: str, specs: Mapping[str, ParameterSpec]) -> ParameterFault:
    if near := nearest(name, specs):
        tail = f"did you mean {near}?"
    else:
        tail = f"there are: {', '.join(specs)}" if specs else "this pipeline has none"
    return ParameterFault(name, f"{name[:100]!r} is no parameter; {tail}")
