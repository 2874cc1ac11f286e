"""The kinds of value that strict files share: names, text, durations, zones, people. Each is parsed once, here.

A validator raises ValueError with what is allowed; `translate` puts the key path before it.
"""

import re
from datetime import timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, WithJsonSchema

from headway.base.durations import parse_duration
from headway.base.near import nearest
from headway.domain.people import Role
from headway.wire.strict.faults import listing, show

#: Longest name of a job, host, environment …: they become folder names and parts of them.
LONGEST_NAME = 63
LONGEST_DURATION = timedelta(days=366)
#: Longest glob and longest time of cron.
LONGEST_GLOB = 200
APPROVER_KINDS = ("team", "role")

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"
_NAME = re.compile(NAME_PATTERN.rstrip("$") + r"\Z")
_LABEL = re.compile(r"[A-Za-z0-9_-]+\Z")

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


def check_name(value: str) -> str:
    if not _NAME.match(value):
        raise ValueError(
            f"{show(value)} is no name; allowed are letters, digits, '.', '_' and '-', "
            f"beginning with a letter or digit, at most {LONGEST_NAME}"
        )
    return value


def _label(value: str) -> str:
    if not _LABEL.match(value):
        raise ValueError(f"{show(value)} is no label; allowed are letters, digits, '_' and '-'")
    return value


def filled(value: str) -> str:
    if not value.strip():
        raise ValueError("found empty text; allowed is text with something in it")
    return value


def _ref_glob(value: str) -> str:
    for prefix in ("refs/heads/", "refs/tags/"):
        if value.removeprefix("!").startswith(prefix):
            raise ValueError(f"{show(value)} is the whole name of a ref; write the short one, such as 'main'")
    if not value.removeprefix("!") or len(value) > LONGEST_GLOB or not value.isprintable() or " " in value:
        raise ValueError(f"{show(value)} is no glob of branches or tags; allowed is such as 'release/*'")
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
        return check_name(value)
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
    check_name(name)
    return value


def schema(kind: str, **more: object) -> WithJsonSchema:
    return WithJsonSchema({"type": kind, **more})


_DURATION_SCHEMA = schema(
    "string", pattern=r"^\s*(\d+(\.\d+)?(ms|s|m|h|d|w))+\s*$", title="duration", examples=["90s", "1h30m"]
)

Text = Annotated[str, AfterValidator(filled), Field(min_length=1)]
Name = Annotated[str, AfterValidator(check_name), Field(json_schema_extra={"pattern": NAME_PATTERN})]
Label = Annotated[str, AfterValidator(_label), Field(json_schema_extra={"pattern": "^[A-Za-z0-9_-]+$"})]
Pause = Annotated[timedelta, BeforeValidator(_duration), _DURATION_SCHEMA]
Duration = Annotated[
    timedelta, BeforeValidator(_duration), AfterValidator(_longer_than_nothing), _DURATION_SCHEMA
]
TextOrList = Annotated[
    Annotated[Text, Tag(TEXT)] | Annotated[list[Text], Tag(LIST), Field(min_length=1)],
    either(TEXT, LIST, allowed="text or a list of text"),
]
Approver = Annotated[str, AfterValidator(_approver), Field(min_length=1)]
ApproverOrList = Annotated[
    Annotated[Approver, Tag(TEXT)] | Annotated[list[Approver], Tag(LIST), Field(min_length=1)],
    either(TEXT, LIST, allowed="text or a list of text"),
]
RefGlob = Annotated[str, AfterValidator(_ref_glob), Field(min_length=1)]
Zone = Annotated[str, AfterValidator(_zone)]
