"""The kinds of value that only a contract knows: sizes, variables, paths, cron. Each is parsed once, here.

A validator raises ValueError with what is allowed; `translate` puts the key path before it.
"""

import re
import shlex
from datetime import datetime
from typing import Annotated

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, BeforeValidator, Field, Tag, WithJsonSchema

from headway.base.durations import parse_size
from headway.domain.contract import Amount
from headway.wire.strict.faults import show
from headway.wire.strict.values import LIST, LONGEST_GLOB, LONGEST_NAME, TEXT, Text, either, filled, schema

LARGEST_SIZE = 2**40

VARIABLE_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]*$"
_VARIABLE = re.compile(VARIABLE_PATTERN.rstrip("$") + r"\Z")
_PERCENT = re.compile(r"(\d{1,3}(?:\.\d{1,6})?)\s*%")


#: Set by Headway in jobs and on hosts; a contract cannot give them another value.
RESERVED_VARIABLES = frozenset(
    {"HEADWAY"}
    | {
        f"HEADWAY_{name}"
        for name in (
            [
                "SERVICE",
                "COMMIT",
                "BRANCH",
                "RUN",
                "JOB",
                "ATTEMPT",
                "OUTPUT",
                "JOB_ID",
                "ENVIRONMENT",
                "RELEASE",
                "HOST",
                "DEPLOYMENT",
            ]
        )
    }
)


def _size(value: object) -> int:
    if not isinstance(value, str) or len(value) > LONGEST_NAME:
        raise ValueError(f"found {show(value)}; allowed is a size in quotes, such as '64MiB'")
    parsed = parse_size(value)
    if not 1024 <= parsed <= LARGEST_SIZE:
        raise ValueError(f"{show(value)} is out of range; allowed is from 1KiB to 1024GiB")
    return parsed


def parse_percent(text: str) -> float:
    """`99.9%` as 99.9. Raises ValueError with what is allowed."""
    match = _PERCENT.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{show(text)} is not a percentage; write a number and %, such as '50%'")
    return float(match[1])


def _amount(value: object) -> Amount:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(f"found {show(value)}; allowed is a number of hosts or a percentage such as '50%'")
    percent = isinstance(value, str)
    number = parse_percent(value) if isinstance(value, str) else value
    if number != int(number) or not 1 <= number <= (100 if percent else 10_000):
        raise ValueError(
            f"found {show(value)}; allowed is a number of hosts from 1, or a whole percentage from '1%' to '100%'"
        )
    return Amount(int(number), percent)


def _statuses(value: object) -> tuple[int, ...]:
    given = value if isinstance(value, list) else [value]
    good = [one for one in given if type(one) is int and 100 <= one <= 599]
    if not 1 <= len(given) <= 20 or len(good) != len(given):
        raise ValueError(
            f"found {show(value)}; allowed is an HTTP status from 100 to 599 or a list of these, such as [200, 204]"
        )
    return tuple(good)


def _header(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}", value):
        raise ValueError(f"{show(value)} is no name of a header; allowed is such as 'X-Release'")
    return value


def _target(value: object) -> float:
    if not isinstance(value, str):
        raise ValueError(f"found {show(value)}; allowed is a percentage in quotes, such as '99.9%'")
    share = parse_percent(value)
    if not 0 < share < 100:
        raise ValueError(
            f"{show(value)} is no possible target; allowed is more than 0% and less than 100%: "
            "at 100% there is no error budget at all"
        )
    return round(share / 100, 12)


def _variable(value: str) -> str:
    if not _VARIABLE.match(value):
        raise ValueError(
            f"{show(value)} is no name of a variable; allowed are letters, digits and '_', not beginning with a digit"
        )
    if value in RESERVED_VARIABLES:
        raise ValueError(f"{show(value)} is set by Headway itself; take another name")
    return value


def _passed(value: str) -> str:
    if _variable(value).startswith(("HEADWAY_", "GIT_")):
        raise ValueError(
            f"{show(value)} is never handed to a job, because Headway's and git's own variables would lead it astray; "
            "give the job a value under env"
        )
    return value


def _relative(value: str) -> str:
    parts = value.split("/")
    if not value.strip() or value.startswith(("/", "~")) or ".." in parts:
        raise ValueError(
            f"{show(value)} leaves the project; allowed is a relative path without '..', such as 'dist/app.tar.gz'"
        )
    return value


def _root(value: str) -> str:
    if value.startswith("~"):
        raise ValueError(
            f"{show(value)} needs no '~'; what does not begin with '/' is relative to the user's home"
        )
    # The root stands in the hosts' README, between double quotes, as a person will type it.
    if not value.strip("/. ") or ".." in value.split("/") or re.search(r'["$`\\|&\x00-\x1f\x7f]', value):
        raise ValueError(
            f"{show(value)} is no folder of the service's own; allowed is such as '/srv/{{service}}'"
        )
    return value


def _words(value: str) -> str:
    try:
        words = shlex.split(value)
    except ValueError as error:
        raise ValueError(f"{show(value)} cannot be split into words: {error}") from error
    return filled(" ".join(words)) and value


def _cron(value: str) -> str:
    allowed = "allowed are five fields: minute hour day month weekday, such as '0 3 * * *'"
    if len(value) > LONGEST_GLOB or len(value.split()) != 5:
        raise ValueError(f"{show(value)} has not five fields; {allowed}")
    try:
        next(CronSim(value, datetime(2024, 1, 1)))  # noqa: DTZ001
    except CronSimError as error:
        said = str(error).removeprefix("Bad ").replace("day-of-", "day of the ")
        raise ValueError(f"{show(value)} is no time of cron: the {said} is wrong; {allowed}") from None
    except StopIteration:
        raise ValueError(f"{show(value)} never comes; {allowed}") from None
    return value


Variable = Annotated[str, AfterValidator(_variable), Field(json_schema_extra={"pattern": VARIABLE_PATTERN})]
PassedVariable = Annotated[
    str, AfterValidator(_passed), Field(json_schema_extra={"pattern": VARIABLE_PATTERN})
]
RootPath = Annotated[str, AfterValidator(_root), Field(min_length=1)]
RelativePath = Annotated[str, AfterValidator(_relative)]
Words = Annotated[str, AfterValidator(_words)]
Size = Annotated[
    int,
    BeforeValidator(_size),
    schema("string", pattern=r"^\s*\d+\s*(B|kB|MB|GB|KiB|MiB|GiB)?\s*$", title="size", examples=["64MiB"]),
]
HostAmount = Annotated[
    Amount,
    BeforeValidator(_amount),
    WithJsonSchema(
        {
            "title": "number of hosts or percentage",
            "oneOf": [
                {"type": "integer", "minimum": 1},
                {"type": "string", "pattern": r"^\s*\d{1,3}\s*%\s*$"},
            ],
        }
    ),
]
Statuses = Annotated[
    tuple[int, ...],
    BeforeValidator(_statuses),
    WithJsonSchema(
        {
            "title": "HTTP status or list of these",
            "oneOf": [
                {"type": "integer", "minimum": 100, "maximum": 599},
                {
                    "type": "array",
                    "items": {"type": "integer", "minimum": 100, "maximum": 599},
                    "minItems": 1,
                },
            ],
        }
    ),
]
HeaderName = Annotated[str, AfterValidator(_header)]
Target = Annotated[
    float,
    BeforeValidator(_target),
    schema("string", pattern=r"^\s*\d{1,3}(\.\d{1,6})?\s*%\s*$", title="percentage", examples=["99.9%"]),
]
PathOrList = Annotated[
    Annotated[RelativePath, Tag(TEXT)] | Annotated[list[RelativePath], Tag(LIST), Field(min_length=1)],
    either(TEXT, LIST, allowed="text or a list of text"),
]
Shell = Annotated[
    Annotated[Words, Tag(TEXT)] | Annotated[list[Text], Tag(LIST), Field(min_length=1)],
    either(TEXT, LIST, allowed="text or a list of text"),
]
Cron = Annotated[str, AfterValidator(_cron)]
Environment = dict[Variable, str]
