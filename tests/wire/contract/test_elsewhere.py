"""Hosts that stand in the org.toml of a server, and what a headway.toml may say of them."""

from contextlib import nullcontext
from dataclasses import replace

import pytest

from headway.domain.contract import HostSpec
from headway.domain.org import Org
from headway.domain.places import SameName, places, require_reach, with_places
from headway.domain.selection import HostsOfOthers, select_hosts
from headway.wire.contract import ContractInvalid, read_contract
from headway.wire.contract.notes import needs_server
from tests.wire.contract.examples import SHORT, WHOLE, faults

ORG = Org(
    hosts={
        "web1": HostSpec("web1", "10.0.0.1", labels={"zone": "north"}),
        "web2": HostSpec("web2", "10.0.0.2"),
    },
    groups={"web": ("web1", "web2")},
)
SERVICE = f"""{SHORT}
[deploy]
kind = "script"
run = "./switch {{labels.zone}}"
[environments.live]
hosts = HOSTS
"""


def with_org(text: str, org: Org = ORG) -> list[str]:
    try:
        read_contract(text, elsewhere=org)
    except ContractInvalid as error:
        return [str(fault) for fault in error.faults]
    return []


def test_without_a_server_a_file_without_hosts_leaves_them_open() -> None:
    text = SERVICE.replace("HOSTS", '["group:web", "anything"]')
    assert faults(text) == []
    assert "environments.hosts" in needs_server(read_contract(text))
    assert "environments.hosts" not in needs_server(read_contract(WHOLE))


@pytest.mark.parametrize(
    ("hosts", "messages"),
    [
        ('"web1"', []),
        ('"label:zone=north"', []),
        ('"wbe1"', ["headway.toml:9:9 environments.live.hosts: 'wbe1' is no host; did you mean 'web1'?"]),
        ('"group:wbe"', ["headway.toml:9:9 environments.live.hosts: 'wbe' is no group; did you mean 'web'?"]),
        ('"group:web"', ["headway.toml:7:7 deploy.run: the host 'web2' of live has no label 'zone'; write it under [hosts.web2]"]),
    ],
)  # fmt: skip
def test_a_server_knows_its_hosts(hosts: str, messages: list[str]) -> None:
    assert with_org(SERVICE.replace("HOSTS", hosts)) == messages


def test_a_server_without_hosts_accepts_none() -> None:
    text = SERVICE.replace("HOSTS", '"web1"')
    assert with_org(text, Org()) == [
        "headway.toml:9:9 environments.live.hosts: 'web1' is no host; there is no host; write [hosts.web1] with its address"
    ]


def test_a_name_in_both_files_is_an_error_at_its_place() -> None:
    text = SHORT + "[hosts.web1]\n[hosts.own]\n[groups]\nweb = ['own']\nall = ['own', 'web2']\n"
    assert with_org(text) == [
        "headway.toml:4:8 hosts.web1: 'web1' stands in the server's org.toml as well; take it out here, or rename it",
        "headway.toml:7:1 groups.web: 'web' stands in the server's org.toml as well; take it out here, or rename it",
    ]


def test_selectors_choose_from_both() -> None:
    contract = read_contract(SHORT + "[hosts.own]\n[groups]\nall = ['own', 'web2']\n", elsewhere=ORG)
    assert list(contract.hosts) == ["own"]
    joined = with_places(contract, ORG, None)
    assert [host.name for host in select_hosts(joined, ["group:all", "group:web"])] == ["own", "web2", "web1"]
    assert joined.service == contract.service


def test_a_name_that_came_into_both_later() -> None:
    contract = read_contract(WHOLE)
    later = Org(hosts={"front1": HostSpec("front1", "elsewhere")}, groups={"front": ("front1",)})
    found, said = places(contract, later)
    assert said == (
        "the host 'front1' stands in headway.toml and in org.toml",
        "the group 'front' stands in headway.toml and in org.toml",
    )
    assert found.hosts["front1"].address == "elsewhere"
    with pytest.raises(SameName, match="which of them is meant cannot be told"):
        with_places(contract, later, None)


OWNED = replace(ORG, host_teams={"web1": ("storefront",), "web2": ("payments", "storefront")})


@pytest.mark.parametrize(
    ("team", "selectors", "names"),
    [
        ("storefront", ["group:web"], ["web1", "web2"]),
        ("payments", ["web2"], ["web2"]),
        ("payments", ["web1"], "web1 belongs to the team storefront, and this service is of the team payments"),
        ("payments", ["group:web"], "web1 belongs to the team storefront, and this service is of the team payments"),
        ("payments", ["label:zone=north"], "web1 belongs to the team storefront"),
        (None, ["web2"], "web2 belongs to the team payments and storefront, and this service is of no team"),
        ("storefront", ["web1", "own"], "own stands in headway.toml alone, and on this server hosts belong to teams"),
    ],
)  # fmt: skip
def test_a_teams_hosts_are_reached_by_its_services_alone(
    team: str | None, selectors: list[str], names: list[str] | str
) -> None:
    """Whatever the file says of its team, and however it writes the address of somebody's host."""
    text = SHORT + "team = 'storefront'\n[hosts.own]\naddress = '10.0.0.1'\n"
    joined = with_places(read_contract(text, elsewhere=OWNED), OWNED, team)
    if isinstance(names, str):
        with pytest.raises(HostsOfOthers, match=names):
            select_hosts(joined, selectors)
    else:
        assert [host.name for host in select_hosts(joined, selectors)] == names


@pytest.mark.parametrize(
    ("team", "host", "why"),
    [
        ("storefront", ORG.hosts["web1"], ""),
        ("payments", ORG.hosts["web1"], "web1 belongs to the team storefront, and this service is of the team payments"),
        (None, ORG.hosts["web2"], "web2 belongs to the team payments and storefront, and this service is of no team"),
        ("storefront", replace(ORG.hosts["web1"], address="10.9.9.9"), "web1 has another address in org.toml now"),
        ("storefront", HostSpec("gone", "10.9.9.9"), "gone stands in headway.toml alone"),
    ],
)  # fmt: skip
def test_what_a_stored_plan_names_is_held_against_the_org_of_today(
    team: str | None, host: HostSpec, why: str
) -> None:
    require_reach(ORG, team, [host])  # no host has a team
    with pytest.raises(HostsOfOthers, match=why) if why else nullcontext():
        require_reach(OWNED, team, [host])


def test_a_label_means_the_hosts_that_may_be_reached() -> None:
    both = {name: replace(host, labels={"zone": "north"}) for name, host in ORG.hosts.items()}
    joined = with_places(read_contract(SHORT), replace(OWNED, hosts=both), "payments")
    assert [host.name for host in select_hosts(joined, ["label:zone=north"])] == ["web2"]


def test_without_teams_of_hosts_all_is_as_before() -> None:
    joined = with_places(read_contract(SHORT + "[hosts.own]\n", elsewhere=ORG), ORG, None)
    assert [host.name for host in select_hosts(joined, ["own", "web1"])] == ["own", "web1"]
