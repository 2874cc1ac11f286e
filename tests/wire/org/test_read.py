"""What a right org.toml becomes, and what is said of a wrong one."""

import tomllib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.domain.contract import HostSpec
from headway.domain.org import ApprovalFloor, Floor, Freeze, Org, OrgPerson, Team
from headway.domain.people import Role
from headway.wire.org import Fault, OrgInvalid, read_org
from headway.wire.org.documents import documents
from headway.wire.org.shape import FloorTable
from tests.wire.contract.test_properties import ODD, paths, render

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)

WHOLE = """\
org = 1

[people.ada]
name = "Ada"
email = "ada@example.org"
role = "operator"
aliases = ["ada-l", "ada@home.example"]
[people.grace]

[teams.storefront]
members = { ada = "operator", grace = "developer" }

[hosts.web1]
address = "10.0.0.1"
labels = { zone = "north" }
[hosts.web2]

[groups]
web = ["web1", "web2"]

[[floors]]
name = "careful"
services = "shop"
environments = ["production", "live-*"]
approvals = { count = 2, from = ["team:storefront", "role:operator"], expires = "4h", not_own = true, comment = true }
branches = ["main"]
deployers = "role:operator"
objective = true
ask = true
[[floors]]
name = "approved"
approvals = {}

[[freezes]]
name = "holidays"
reason = "nobody is here"
start = 2026-12-20T18:00:00+01:00
end = 2027-01-04
zone = "Europe/Berlin"
hotfix = false
[[freezes]]
name = "weekend"
reason = "rest"
environments = "production"
days = ["saturday", "friday"]
from = "16:00"
until = "08:00"
[[freezes]]
name = "from now on"
reason = "the end"
start = "2028-01-01T00:00:00Z"
""".replace('name = "from now on"', 'name = "end"')


def faults(text: str) -> list[str]:
    try:
        read_org(text, NOW)
    except OrgInvalid as error:
        return [str(fault) for fault in error.faults]
    return []


def changed(old: str, new: str) -> str:
    assert WHOLE.count(old) == 1, f"{old!r} stands {WHOLE.count(old)} times in the example"
    return WHOLE.replace(old, new)


def test_an_empty_file_is_an_organisation_without_rules() -> None:
    assert read_org("", NOW) == Org()


def test_the_whole_example() -> None:
    assert read_org(WHOLE, NOW) == Org(
        people={
            "ada": OrgPerson("ada", "Ada", "ada@example.org", Role.OPERATOR, ("ada-l", "ada@home.example")),
            "grace": OrgPerson("grace"),
        },
        teams={"storefront": Team("storefront", {"ada": Role.OPERATOR, "grace": Role.DEVELOPER})},
        hosts={
            "web1": HostSpec("web1", "10.0.0.1", labels={"zone": "north"}),
            "web2": HostSpec("web2", "web2"),
        },
        groups={"web": ("web1", "web2")},
        floors=(
            Floor(
                "careful",
                ("shop",),
                ("production", "live-*"),
                ApprovalFloor(2, ("team:storefront", "role:operator"), timedelta(hours=4), True, True),
                ("main",),
                ("role:operator",),
                objective=True,
                ask=True,
            ),
            Floor("approved", approvals=ApprovalFloor()),
        ),
        freezes=(
            Freeze(
                "holidays",
                "nobody is here",
                start=datetime(2026, 12, 20, 17, tzinfo=UTC),
                end=datetime(2027, 1, 3, 23, tzinfo=UTC),
                zone="Europe/Berlin",
                hotfix=False,
            ),
            Freeze(
                "weekend", "rest", environments=("production",), days=(4, 5), from_="16:00", until="08:00"
            ),
            Freeze("end", "the end", start=datetime(2028, 1, 1, tzinfo=UTC)),
        ),
    )


@pytest.mark.parametrize(
    ("old", "new", "messages"),
    [
        ("[teams.", "[team.", ["10:2 team: 'team' is no known key; did you mean 'teams'?",
                               "25:34 floors[0].approvals.from[0]: 'storefront' is no team; there is no team; write [teams.storefront]"]),
        ("org = 1", "org = 2", ["1:7 org: org 2 is not known to this Headway, which reads 1; another version may"]),
        ('role = "operator"', 'role = "admin"', ["6:8 people.ada.role: 'admin' is not known here; did you mean 'administrator'?"]),
        ('email = "ada@example.org"', 'email = "ada"', ["5:9 people.ada.email: 'ada' is no e-mail address"]),
        ("[people.grace]", '[people.grace]\naliases = ["ADA-L"]', ["9:12 people.grace.aliases[0]: 'ADA-L' stands for ada as well; it can be one person only"]),
        ("[people.grace]", '[people.grace]\nemail = "Ada@Example.org"', ["9:9 people.grace.email: 'Ada@Example.org' stands for ada as well; it can be one person only"]),
        ('grace = "developer"', 'garce = "developer"', ["11:31 teams.storefront.members.garce: 'garce' is no person of this file; did you mean 'grace'?"]),
        ('web = ["web1", "web2"]', 'web = ["web1", "wbe2"]', ["19:16 groups.web[1]: 'wbe2' is no host; did you mean 'web2'?"]),
        ('"team:storefront", ', '"team:storfront", ', ["25:34 floors[0].approvals.from[0]: 'storfront' is no team; did you mean 'storefront'?"]),
        ('from = ["team:storefront", "role:operator"]', 'from = "grace"', ["25:23 floors[0].approvals.count: asks for 2 approvals, and grace is 1 person"]),
        ('from = ["team:storefront", "role:operator"]', 'from = "grcae"', ["25:23 floors[0].approvals.count: asks for 2 approvals, and grcae is 1 person",
                                                                             "25:33 floors[0].approvals.from: 'grcae' is no person of this file; did you mean 'grace'?"]),
        ("approvals = {}", "", ["30:3 floors[1]: asks for nothing; write one of approvals, branches, deployers, rollback, logs, objective, ask, built_here"]),
        ('name = "approved"', 'name = "careful"', ["31:8 floors[1].name: 'careful' stands in floors twice"]),
        ('services = "shop"', 'services = ["!shop"]', ["23:13 floors[0].services[0]: '!shop' takes out of an empty list; write first what is taken in, such as '*'"]),
        ('branches = ["main"]', 'branches = ["refs/heads/main"]', ["26:13 floors[0].branches[0]: 'refs/heads/main' is the whole name of a ref; write the short one, such as 'main'"]),
        ("start = 2026-12-20T18:00:00+01:00", "start = 2027-12-20T18:00:00+01:00", ["38:7 freezes[0].end: '2027-01-04' is not after the start"]),
        ("end = 2027-01-04", "end = 2026-12-20T17:00:00Z", ["38:7 freezes[0].end: '2026-12-20 17:00:00+00:00' is not after the start"]),
        ("end = 2027-01-04", "end = 2026-12-20", ["38:7 freezes[0].end: '2026-12-20' is not after the start"]),
        ("end = 2027-01-04", "end = 2026-12-20T18:00:00", ["38:7 freezes[0].end: '2026-12-20 18:00:00' is not after the start"]),
        ("end = 2027-01-04", "end = 2026-12-20T18:00:01", []),
        ("end = 2027-01-04", 'end = "tomorrow"', ["38:7 freezes[0].end: found 'tomorrow'; allowed is a date and time, such as 2026-12-20T18:00:00+01:00"]),
        ("end = 2027-01-04", "end = 7", ["38:7 freezes[0].end: found the number 7; allowed is a date and time, such as 2026-12-20T18:00:00+01:00"]),
        ('zone = "Europe/Berlin"', 'zone = "Europe/Berln"', ["39:8 freezes[0].zone: 'Europe/Berln' is no time zone; did you mean 'Europe/Berlin'?"]),
        ('days = ["saturday", "friday"]', 'days = ["satruday"]', ["45:9 freezes[1].days[0]: 'satruday' is not known here; did you mean 'saturday'?"]),
        ('days = ["saturday", "friday"]', "", ["41:3 freezes[1]: has none of them; allowed is exactly one of start and end, days, calendar",
                                               "46:1 freezes[1].from: belongs to days, which are missing",
                                               "47:1 freezes[1].until: belongs to days, which are missing"]),
        ('from = "16:00"', 'from = "4pm"', ["46:8 freezes[1].from: '4pm' is no time of day; allowed is such as '16:00'"]),
        ('until = "08:00"', 'until = "24:00"', []),
        ('until = "08:00"', 'until = "08:00"\ncalendar = "x.ics"', ["41:3 freezes[1]: has days and calendar; allowed is exactly one of start and end, days, calendar"]),
        ('start = "2028-01-01T00:00:00Z"', 'calendar = "../x.ics"', ["51:12 freezes[2].calendar: '../x.ics' is no calendar beside org.toml; allowed is a relative path without '..', such as 'freezes.ics'"]),
        ('reason = "rest"', "", ["41:3 freezes[1].reason: is missing; write it, such as: reason = \"nobody is at work\""]),
    ],
)  # fmt: skip
def test_faults(old: str, new: str, messages: list[str]) -> None:
    assert faults(changed(old, new)) == [f"org.toml:{message}" for message in messages]


def test_what_is_not_toml_is_one_fault() -> None:
    assert faults("[people") == [
        "org.toml:1:8: this is not TOML: expected ']' at the end of a table declaration"
    ]


def test_the_commented_example_is_read_without_a_fault() -> None:
    asked: list[str] = []

    def calendar(name: str) -> str:
        asked.append(name)
        return "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\nEND:VCALENDAR\n"

    example = documents()["org.example.toml"]
    org = read_org(example, NOW, file="org.example.toml", calendar=calendar)
    assert set(tomllib.loads(example)) == {"org", "people", "teams", "hosts", "groups", "floors", "freezes"}
    assert len(org.freezes) == 3 and asked == ["fairs.ics"]


#: An error without a fault is a failure of the test.
NOTHING = Fault("", "", 0, 0, "")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_whatever_stands_there_it_is_an_organisation_or_faults_with_a_place(data: st.DataObject) -> None:
    text_of = WHOLE.replace("2026-12-20T18:00:00+01:00", '"2026-12-20"').replace("2027-01-04", '"2027-01-04"')
    document: dict[str, Any] = tomllib.loads(text_of)
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from([path for path in paths(document) if path]))
        holder: Any = document
        for part in path[:-1]:
            holder = holder[part]
        if data.draw(st.booleans()):
            holder[path[-1]] = data.draw(
                st.sampled_from([value for value in ODD if not isinstance(value, dict | list)])
            )
        else:
            del holder[path[-1]]
    text = render(document)
    found: tuple[Fault, ...] = ()
    try:
        assert isinstance(read_org(text, NOW), Org)
    except OrgInvalid as error:
        found = error.faults or (NOTHING,)
    lines = text.split("\n")
    for fault in found:
        assert 1 <= fault.line <= len(lines) and 1 <= fault.column <= len(lines[fault.line - 1]) + 1
        assert fault.message


@pytest.mark.parametrize("rule", sorted({*FloorTable.model_fields} - {"name", "services", "environments"}))
def test_each_rule_of_a_floor_is_enough_to_be_one(rule: str) -> None:
    value = FloorTable.model_fields[rule].examples
    said = {"approvals": "{ count = 1 }", "branches": '["main"]'}.get(
        rule, "true" if value == [True] else '"role:operator"'
    )
    org = read_org(f'[[floors]]\nname = "one"\n{rule} = {said}\n', NOW)
    assert [floor.name for floor in org.floors] == ["one"]
