"""docs/org.example.toml: a whole organisation whose comments are the models' own descriptions.

The values make one file that is read without a fault; keys that it does not use stand in it commented out.
"""

from typing import Any

from headway.wire.org.manual import SECTIONS
from headway.wire.org.shape import OrgFile
from headway.wire.strict.commented import commented, commented_tables

_HEAD = """\
# An organisation with every key that there is, commented from the same descriptions as docs/org.md.
# Keys that it does not need are commented out. Yours may be far shorter, or empty.
"""

#: Header of the table -> what stands in it, in the order of the file.
_VALUES: tuple[tuple[str, dict[str, Any]], ...] = (
    (
        "people.ada",
        {"name": "Ada", "email": "ada@example.org", "role": "operator", "aliases": ["ada-l"]},
    ),
    ("people.grace", {"email": "grace@example.org"}),
    ("people.linus", {"role": "viewer"}),
    ("teams.box-office", {"members": {"ada": "operator", "grace": "developer"}}),
    ("hosts.front1", {"address": "10.0.0.11", "port": 22, "user": "deploy", "labels": {"zone": "north"}}),
    ("hosts.till1", {"address": "10.0.0.21", "teams": ["box-office"]}),
    ("hosts.front2", {"address": "10.0.0.12", "labels": {"zone": "south"}}),
    ("groups", {"front": ["front1", "front2"]}),
    (
        "[floors]",
        {
            "name": "production",
            "environments": "production",
            "approvals": {"from": ["team:box-office", "role:operator"], "not_own": True},
            "branches": ["main", "release/*"],
            "ask": True,
            "built_here": True,
        },
    ),
    (
        "[freezes]",
        {
            "name": "holidays",
            "reason": "nobody is at work",
            "environments": "production",
            "start": "2026-12-20T18:00:00+01:00",
            "end": "2027-01-04T08:00:00+01:00",
        },
    ),
    (
        "[freezes]",
        {
            "name": "weekend",
            "reason": "whoever could help is asleep",
            "environments": "production",
            "days": ["friday", "saturday", "sunday"],
            "from": "16:00",
            "until": "08:00",
            "zone": "Europe/Berlin",
        },
    ),
    (
        "[freezes]",
        {
            "name": "fairs",
            "reason": "a fair",
            "services": ["tickets", "pay-*"],
            "calendar": "fairs.ics",
            "hotfix": False,
        },
    ),
)


def example() -> str:
    """The commented example as TOML."""
    top = commented(OrgFile, {"org": 1}, (), only=("org",))
    return "\n".join([_HEAD, top, *commented_tables(OrgFile, SECTIONS, _VALUES)])
