"""Whose hosts a command may run on, asked for through a server."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from headway.domain.contract import HostSpec
from headway.domain.people import Actor, Role
from headway.domain.secrets import environment_scope, service_scope, team_scope
from headway.domain.selection import HostsOfOthers
from headway.engine.audit import list_entries
from headway.engine.deployments.named_secrets import named_secrets
from headway.engine.permissions import NotAllowed
from headway.engine.requests.host_calls import exec_call
from headway.engine.secrets.keys import new_key
from headway.engine.secrets.vault import Vault, stored_secrets
from headway.store.database import Database, Transaction
from tests.support.clocks import NOON
from tests.support.delivery_line import EVE, ORG, Line, actor

#: An operator in the team of the service, who may only look elsewhere.
OF_THE_TEAM = actor("kim", Role.VIEWER, teams=(("storefront", Role.OPERATOR),))


@pytest.fixture
def line(database: Database, tmp_path: Path) -> Line:
    hosts = {name: HostSpec(name, f"{name}.example.org") for name in ("stage9", "books1")}
    line = Line(tmp_path, database, staging_hosts="group:stages")
    line.org = replace(ORG, hosts=hosts, groups={"stages": ("stage9",), "books": ("books1",)})
    line.green("one")
    return line


async def hosts_of(line: Line, by: Actor, selectors: Sequence[str]) -> list[str]:
    call = await exec_call(line.tools, by, service="shop", selectors=selectors, words=["uptime"], user=None)
    return [task.host.name for task in call.tasks]


async def test_a_role_in_the_team_reaches_the_hosts_of_its_service(line: Line) -> None:
    assert await hosts_of(line, OF_THE_TEAM, ["group:stages", "web1"]) == ["stage9", "web1"]


async def test_a_pushed_file_reaches_no_host_of_another_team(line: Line) -> None:
    """Nor does an operator everywhere through it; he asks for org.toml's hosts themselves."""
    line.org = replace(line.org, host_teams={"stage9": ("books",)})
    for by in (OF_THE_TEAM, EVE):
        with pytest.raises(
            HostsOfOthers,
            match="stage9 belongs to the team books, and this service is of the team storefront",
        ):
            await hosts_of(line, by, ["group:stages"])
    with pytest.raises(HostsOfOthers, match=r"web1 stands in headway\.toml alone"):
        await hosts_of(line, EVE, ["web1"])
    assert not line.database.read(list_entries).entries, "nothing was asked for"
    call = await exec_call(line.tools, EVE, service=None, selectors=["stage9"], words=["uptime"], user=None)
    assert [task.host.name for task in call.tasks] == ["stage9"]
    line.org = replace(line.org, host_teams={"stage9": ("storefront",)})
    assert await hosts_of(line, OF_THE_TEAM, ["group:stages"]) == ["stage9"]


async def test_a_secret_that_the_file_names_no_more_is_masked(line: Line, tmp_path: Path) -> None:
    """As long as it is stored for the service, its environment or its team: what runs may print it."""
    vault = Vault([new_key()])
    scopes = {
        "of shop": service_scope("shop"),
        "of staging": environment_scope("shop", "staging"),
        "of the team": team_scope("storefront"),
        "of another": service_scope("books"),
        "of other books": team_scope("books"),
    }

    def put(tx: Transaction) -> None:
        for value, scope in scopes.items():
            vault.put(tx, scope, "A", value, EVE, NOON)
        vault.put(tx, environment_scope("shop", "production"), "B", "of production", EVE, NOON)

    line.database.transact(put)
    settings = replace(line.settings, stored_secrets=stored_secrets(vault, line.database))
    tools = replace(line.tools, settings=settings)
    call = await exec_call(tools, EVE, service="shop", selectors=["web1"], words=["env"], user=None)
    assert {one.reveal() for one in call.secrets} == {"of shop", "of staging", "of production"}
    of_staging = line.database.read(lambda tx: named_secrets(tx, "shop", "staging"))
    assert sorted(of_staging, key=str) == [("staging", "A"), (None, "A"), (None, "A")]


@pytest.mark.parametrize("selector", ["books1", "group:books"])
async def test_and_no_other_host_of_the_organisation(line: Line, selector: str) -> None:
    with pytest.raises(NotAllowed, match="books1 is no host of shop"):
        await hosts_of(line, OF_THE_TEAM, ["web1", selector])
    assert not line.database.read(list_entries).entries, "nothing was asked for"
    assert await hosts_of(line, EVE, [selector]) == ["books1"]
