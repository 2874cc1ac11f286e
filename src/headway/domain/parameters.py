"""Whether a text is a value of a parameter; asked at the door of headway.toml and of every manual run."""

import math
import re

from headway.domain.contract import ParameterKind, ParameterSpec

#: Values are environment variables; the kernel takes no longer ones together with the rest.
LONGEST_VALUE = 4096
_NUMBER = re.compile(r"-?(0|[1-9]\d{0,17})(\.\d{1,18})?")


def allowed_values(spec: ParameterSpec) -> str:
    """What may be given, in words."""
    match spec.kind:
        case ParameterKind.TEXT:
            return f"text of at most {LONGEST_VALUE} characters"
        case ParameterKind.NUMBER:
            return "a number, such as 3 or -0.5"
        case ParameterKind.BOOLEAN:
            return "true or false"
        case ParameterKind.CHOICE:
            return ", ".join(spec.choices)


def is_value(spec: ParameterSpec, value: str) -> bool:
    """Whether the parameter takes this value, as it would arrive in a step."""
    if len(value) > LONGEST_VALUE or "\0" in value:
        return False
    match spec.kind:
        case ParameterKind.TEXT:
            return True
        case ParameterKind.NUMBER:
            return _NUMBER.fullmatch(value) is not None and math.isfinite(float(value))
        case ParameterKind.BOOLEAN:
            return value in ("true", "false")
        case ParameterKind.CHOICE:
            return value in spec.choices
