"""docs/org.md: every key of org.toml, from the descriptions that the models carry."""

from typing import Any

from headway.wire.org.calendars import AHEAD
from headway.wire.org.shape import (
    Approvals,
    FloorTable,
    FreezeTable,
    OrgFile,
    OrgHost,
    PersonTable,
    TeamTable,
)
from headway.wire.strict.pages import Sections, key_lines, section_lines

SECTIONS: Sections = (
    ("[people.NAME]", PersonTable, ()),
    ("[teams.NAME]", TeamTable, ()),
    ("[hosts.NAME]", OrgHost, ()),
    ("[[floors]]", FloorTable, (("approvals", Approvals),)),
    ("[[freezes]]", FreezeTable, ()),
)
#: Keys of the file's top that are no table of their own.
TOP_KEYS = ("org", "groups")

_INTRODUCTION = f"""\
# org.toml

*Generated from the models that check the file (`make docs`); change the descriptions there.*

`org.toml` is the organisation beside a server's data: people, teams, hosts, and what no repository may go below. It
lies in the server's data folder. Nothing in it must be there; without the file a server knows its accounts alone.
A commented example is [org.example.toml](org.example.toml), a JSON Schema for editors
[org.schema.json](org.schema.json). The kinds of value are those of [headway.toml](configuration.md).

## What it binds
What a server does, whoever asks it to. A command that does without one (`--local`, or where no server is) does not read this file: no floor, no freeze
and no team of a host holds it up, and the hosts are those of headway.toml alone. It signs in to the hosts with the keys of whoever calls it, and who has such a
key can do there what he likes, by Headway or by `ssh`. So where these rules are to hold, only the server's user has the hosts' keys. A
deployment that was made past a server is no secret: the hosts say who made it, and the server asks them [every few minutes](deployments.md).

## When it changes
A running server looks at the file every few seconds, and at the calendars it names. It is read as strictly as
headway.toml: everything that is wrong is said at once, with line, key and the word that was probably meant. A file with
a fault changes nothing: **what was in force stays in force**, every page says so, and the faults stand on the page
*Settings*. That holds over a restart as well, because the last good text is kept in the data folder as
`org.last-good.toml`, and for a file that is gone: to have no rules any more, leave an empty one. A server that has
never read a good one does not start with a bad one.

What the file says, its path and its faults are for administrators, on that page and in `GET /api/org`: it names people, addresses and guards. Everybody
sees the teams, whether the file is well, and of each request what it still needs.

## Hosts in two files
With a server, hosts and groups may stand here, for all services, or in a service's headway.toml, for that one. A name in
both is an error. A pull request's file never decides hosts: deployments read the file of the release that they deploy.

## Hosts and teams
A host with `teams` is reached by the services of these teams alone: by deployments and rollbacks, by `headway exec` and
`headway tail`. Which team a service is of is what the server knows ([people](people.md)), whatever a file says; and of a team
that has hosts no file makes itself: `headway repository give shop box-office` does. As soon as one host has a team,
a headway.toml names no addresses of its own, for an address can be written in many ways: all hosts stand here then. A label selects among the hosts that the
service may reach. A host without `teams` is open to every service; an operator everywhere reaches all with `headway exec` without a service.

## Floors
A floor matches services and environments by globs; all floors that match count, and what headway.toml asks for counts
as well: each rule must be met. So a repository may be stricter than its floors, never looser.

## Freezes
In a freeze no deployment begins; what waits stands at its gate and says until when. Rollbacks pass, and with
`hotfix = true` (the default) so does the repair of a failed deployment: a hotfix where the last deployment failed or was taken back. The first moment of a freeze belongs to it, the
last does not. Weekly windows go by the wall clock of their zone; where it changes inside of one, the window begins at the
first and ends at the last moment that its times may mean.

A calendar is an iCalendar file beside org.toml, such as one that another program exports. Each event is a freeze;
repetitions (`RRULE`, `RDATE`, without `EXDATE`, moved and cancelled ones too) are written out for {AHEAD.days} days ahead,
anew each day. An event without a time zone of its own is meant in `zone`. Rules that repeat more often than daily are
refused.
"""


def manual(schema: dict[str, Any]) -> str:
    """The page as Markdown."""
    top = key_lines(OrgFile, schema, schema, TOP_KEYS)
    return "\n".join([_INTRODUCTION, "## The file's top\n", *top, *section_lines(SECTIONS, schema)])
