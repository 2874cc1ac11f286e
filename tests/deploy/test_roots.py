"""A root on a host belongs to the environment that has it, however another one writes it down."""

import pytest

from headway.deploy.plan import HostPlan
from headway.deploy.roots import Claim, claims_of, why_moved, why_taken
from headway.domain.contract import HostSpec

A1 = HostSpec("a1", "10.0.0.1")
ROOT = "/srv/alpha/production"
PRODUCTION = Claim("alpha", "production", A1, ROOT, declared=True)
TAKEN = "on {} is the root of production, not of prod2"


def wanted(root: str = ROOT, host: HostSpec = A1, environment: str = "prod2") -> list[Claim]:
    return [Claim("alpha", environment, host, root)]


@pytest.mark.parametrize(
    ("root", "host"),
    [
        (ROOT, A1),
        (ROOT + "/", A1),
        ("//srv/./alpha//production", A1),
        (ROOT + "/releases", A1),
        ("/srv/alpha", A1),
        ("alpha/production", A1),
        (ROOT, HostSpec("a1", "a1.example.org")),
        (ROOT, HostSpec("other", "10.0.0.1")),
        (ROOT, HostSpec("other", "A1.")),
        (ROOT, HostSpec("a1", "10.0.0.1", port=22, user="root")),
    ],
)
def test_another_environment_of_the_service_does_not_reach_it(root: str, host: HostSpec) -> None:
    assert why_taken(wanted(root, host), [PRODUCTION]).endswith(TAKEN.format(host.name))
    # Nor the other way round: whoever has it, and however it was written down.
    there = Claim("alpha", "prod2", host, root, declared=True)
    assert why_taken([PRODUCTION], [there]) == f"{ROOT} on a1 is the root of prod2, not of production"


@pytest.mark.parametrize(
    ("root", "host"),
    [
        ("/srv/alpha/production2", A1),
        ("/srv/beta/production", A1),
        ("beta/production", A1),
        (ROOT, HostSpec("a2", "10.0.0.2")),
    ],
)
def test_a_folder_of_its_own_is_its_own(root: str, host: HostSpec) -> None:
    assert why_taken(wanted(root, host), [PRODUCTION]) == ""
    assert why_taken([PRODUCTION], [Claim("alpha", "prod2", host, root, declared=True)]) == ""


def test_one_address_with_two_ports_is_two_hosts_and_two_users_have_two_homes() -> None:
    one, two = (
        HostSpec("a", "127.0.0.1", port=2201, user="x"),
        HostSpec("b", "127.0.0.1", port=2202, user="x"),
    )
    assert why_taken(wanted(host=two), [Claim("alpha", "production", one, ROOT, declared=True)]) == ""
    other = HostSpec("a", "127.0.0.1", port=2201, user="y")
    mine = [Claim("alpha", "production", one, "apps/alpha", declared=True)]
    assert why_taken(wanted("apps/alpha", other), mine) == ""
    assert why_taken(wanted("apps/alpha", one), mine)


@pytest.mark.parametrize(
    ("others", "reason"),
    [
        # What stands only in the records.
        ([Claim("alpha", "production", A1, ROOT)], "the root of production"),
        ([Claim("beta", "live", A1, ROOT, declared=True)], "the root of beta/live"),
        # The default branch declares both: neither is the other's.
        ([PRODUCTION, Claim("alpha", "prod2", A1, ROOT, declared=True)], "the root of production"),
        # It was renamed, or taken by a side branch before there was this rule.
        ([Claim("alpha", "production", A1, ROOT), Claim("alpha", "prod2", A1, ROOT, declared=True)], ""),
        ([Claim("gone", "live", A1, ROOT), Claim("alpha", "prod2", A1, ROOT, declared=True)], ""),
        ([Claim("beta", "live", A1, ROOT, declared=True), Claim("alpha", "prod2", A1, ROOT, declared=True)], "beta"),
        # Declared with another root there.
        ([PRODUCTION, Claim("alpha", "prod2", A1, "/srv/prod2", declared=True)], "the root of production"),
        ([], ""),
    ],
)  # fmt: skip
def test_whose_it_is_the_default_branch_says_and_else_what_stands_there(
    others: list[Claim], reason: str
) -> None:
    said = why_taken(wanted(), others)
    assert reason in said if reason else said == ""


def test_a_plan_claims_the_root_of_each_of_its_hosts() -> None:
    hosts = (
        HostPlan(A1, 0, ("main",), ROOT),
        HostPlan(HostSpec("a2", "10.0.0.2"), 1, ("main",), "apps/alpha"),
    )
    assert claims_of("alpha", "production", hosts) == (
        Claim("alpha", "production", A1, ROOT, declared=False),
        Claim("alpha", "production", HostSpec("a2", "10.0.0.2"), "apps/alpha", declared=False),
    )
    assert [one.declared for one in claims_of("alpha", "production", hosts, declared=True)] == [True, True]


def test_its_own_root_is_never_taken() -> None:
    assert why_taken(wanted(environment="production"), [PRODUCTION, *wanted(environment="production")]) == ""


def test_a_root_that_moved_is_told_with_both_places_and_its_hosts() -> None:
    def stood(root: str, *names: str) -> list[HostPlan]:
        return [HostPlan(HostSpec(name, "10.0.0.1"), 0, ("main",), root) for name in names]

    assert why_moved(stood("/srv/old", "a1", "a2"), stood("/srv/new", "a1", "a2", "a3")) == (
        "/srv/old on a1, a2, where the root is /srv/new now"
    )
    assert why_moved(stood("/srv/shop/", "a1", "gone"), stood("/srv//shop", "a1", "a2")) == ""
    assert why_moved([], stood("/srv/new", "a1")) == ""
