"""The kinds of value a contract knows: durations, sizes, names, paths. Each is parsed once, here.

A validator raises ValueError with what is allowed; `translate` puts the key path before it.
"""

import re
import shlex
from datetime import datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, WithJsonSchema

from headway.base.durations import parse_duration, parse_size
from headway.domain.contract import Amount
from headway.domain.people import Role
from headway.wire.contract.faults import listing, nearest, show

#: Longest name of a job, host, environment …: they become folder names and parts of them.
LONGEST_NAME = 63
LONGEST_DURATION = timedelta(days=366)
LARGEST_SIZE = 2**40

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"
VARIABLE_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]*$"
_NAME = re.compile(NAME_PATTERN.rstrip("$") + r"\Z")
_VARIABLE = re.compile(VARIABLE_PATTERN.rstrip("$") + r"\Z")
_LABEL = re.compile(r"[A-Za-z0-9_-]+\Z")
_PERCENT = re.compile(r"(\d{1,3}(?:\.\d{1,6})?)\s*%")

#: Longest glob and longest time of cron.
LONGEST_GLOB = 200
APPROVER_KINDS = ("team", "role")

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

#: Tags of unions; they stand in pydantic's error paths and are taken out again.
TEXT, NUMBER, BOOLEAN, LIST, TABLE = "§text", "§number", "§boolean", "§list", "§table"


def tag_of(value: object) -> str | None:
    """Which form of a union a value is written in."""
    if isinstance(value, str):
        return TEXT
    if isinstance(value, bool):
        return BOOLEAN
    if isinstance(value, int | float):
        return NUMBER
    if isinstance(value, list):
        return LIST
    return TABLE if isinstance(value, dict) else None


def either(*tags: str, allowed: str) -> Discriminator:
    """A union told apart by how it is written; `allowed` is what the message says otherwise."""
    known = frozenset(tags)

    def written_as(value: Any) -> str | None:
        tag = tag_of(value)
        return tag if tag in known else None

    return Discriminator(written_as, custom_error_type="written", custom_error_message=allowed)


def _duration(value: object) -> timedelta:
    if not isinstance(value, str):
        raise ValueError(f"found {show(value)}; allowed is a duration in quotes, such as '90s' or '1h30m'")
    try:
        parsed = parse_duration(value)
    except OverflowError:
        parsed = LONGEST_DURATION + timedelta(days=1)
    if parsed > LONGEST_DURATION:
        raise ValueError(f"{show(value)} is too long; allowed is up to 366d")
    return parsed


def _longer_than_nothing(value: timedelta) -> timedelta:
    if not value:
        raise ValueError("found a duration of nothing; allowed is anything longer, such as '30s'")
    return value


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


def _name(value: str) -> str:
    if not _NAME.match(value):
        raise ValueError(
            f"{show(value)} is no name; allowed are letters, digits, '.', '_' and '-', "
            f"beginning with a letter or digit, at most {LONGEST_NAME}"
        )
    return value


def _variable(value: str) -> str:
    if not _VARIABLE.match(value):
        raise ValueError(
            f"{show(value)} is no name of a variable; allowed are letters, digits and '_', not beginning with a digit"
        )
    if value in RESERVED_VARIABLES:
        raise ValueError(f"{show(value)} is set by Headway itself; take another name")
    return value


def _label(value: str) -> str:
    if not _LABEL.match(value):
        raise ValueError(f"{show(value)} is no label; allowed are letters, digits, '_' and '-'")
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


def _filled(value: str) -> str:
    if not value.strip():
        raise ValueError("found empty text; allowed is text with something in it")
    return value


def _words(value: str) -> str:
    try:
        words = shlex.split(value)
    except ValueError as error:
        raise ValueError(f"{show(value)} cannot be split into words: {error}") from error
    return _filled(" ".join(words)) and value


def _ref_glob(value: str) -> str:
    for prefix in ("refs/heads/", "refs/tags/"):
        if value.removeprefix("!").startswith(prefix):
            raise ValueError(f"{show(value)} is the whole name of a ref; write the short one, such as 'main'")
    if not value.removeprefix("!") or len(value) > LONGEST_GLOB or not value.isprintable() or " " in value:
        raise ValueError(f"{show(value)} is no glob of branches or tags; allowed is such as 'release/*'")
    return value


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


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        near = nearest(value, sorted(available_timezones()))
        tail = f"did you mean '{near}'?" if near else "allowed is a name such as 'Europe/Berlin' or 'UTC'"
        raise ValueError(f"{show(value)} is no time zone; {tail}") from None
    return value


def _approver(value: str) -> str:
    kind, colon, name = value.partition(":")
    if not colon:
        return _name(value)
    if kind not in APPROVER_KINDS:
        near = nearest(kind, APPROVER_KINDS)
        tail = (
            f"did you mean '{near}:{name}'?" if near else "allowed is team:NAME, role:NAME or a person's name"
        )
        raise ValueError(f"{show(value)} names nobody; {tail}")
    if kind == "role" and name not in list(Role):
        near = nearest(name, list(Role))
        tail = f"did you mean 'role:{near}'?" if near else f"allowed: {listing(list(Role))}"
        raise ValueError(f"{show(name)} is no role; {tail}")
    _name(name)
    return value


def _schema(kind: str, **more: object) -> WithJsonSchema:
    return WithJsonSchema({"type": kind, **more})


_DURATION_SCHEMA = _schema(
    "string", pattern=r"^\s*(\d+(\.\d+)?(ms|s|m|h|d|w))+\s*$", title="duration", examples=["90s", "1h30m"]
)

Text = Annotated[str, AfterValidator(_filled), Field(min_length=1)]
Name = Annotated[str, AfterValidator(_name), Field(json_schema_extra={"pattern": NAME_PATTERN})]
Variable = Annotated[str, AfterValidator(_variable), Field(json_schema_extra={"pattern": VARIABLE_PATTERN})]
Label = Annotated[str, AfterValidator(_label), Field(json_schema_extra={"pattern": "^[A-Za-z0-9_-]+$"})]
RootPath = Annotated[str, AfterValidator(_root), Field(min_length=1)]
RelativePath = Annotated[str, AfterValidator(_relative)]
Words = Annotated[str, AfterValidator(_words)]
Pause = Annotated[timedelta, BeforeValidator(_duration), _DURATION_SCHEMA]
Duration = Annotated[
    timedelta, BeforeValidator(_duration), AfterValidator(_longer_than_nothing), _DURATION_SCHEMA
]
Size = Annotated[
    int,
    BeforeValidator(_size),
    _schema("string", pattern=r"^\s*\d+\s*(B|kB|MB|GB|KiB|MiB|GiB)?\s*$", title="size", examples=["64MiB"]),
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
Target = Annotated[
    float,
    BeforeValidator(_target),
    _schema("string", pattern=r"^\s*\d{1,3}(\.\d{1,6})?\s*%\s*$", title="percentage", examples=["99.9%"]),
]
TextOrList = Annotated[
    Annotated[Text, Tag(TEXT)] | Annotated[list[Text], Tag(LIST), Field(min_length=1)],
    either(TEXT, LIST, allowed="text or a list of text"),
]
PathOrList = Annotated[
    Annotated[RelativePath, Tag(TEXT)] | Annotated[list[RelativePath], Tag(LIST), Field(min_length=1)],
    either(TEXT, LIST, allowed="text or a list of text"),
]
Shell = Annotated[
    Annotated[Words, Tag(TEXT)] | Annotated[list[Text], Tag(LIST), Field(min_length=1)],
    either(TEXT, LIST, allowed="text or a list of text"),
]
Approver = Annotated[str, AfterValidator(_approver), Field(min_length=1)]
ApproverOrList = Annotated[
    Annotated[Approver, Tag(TEXT)] | Annotated[list[Approver], Tag(LIST), Field(min_length=1)],
    either(TEXT, LIST, allowed="text or a list of text"),
]
RefGlob = Annotated[str, AfterValidator(_ref_glob), Field(min_length=1)]
Cron = Annotated[str, AfterValidator(_cron)]
Zone = Annotated[str, AfterValidator(_zone)]
Environment = dict[Variable, str]
