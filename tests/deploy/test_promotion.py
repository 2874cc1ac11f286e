"""What follows from a green release and from a good deployment."""

from collections.abc import Mapping

from headway.deploy.guards import Guards
from headway.deploy.promotion import BY_THEMSELVES, Follow, Offer, after_deployment, after_release, offers
from headway.domain.contract import EnvironmentSpec, Promote
from headway.domain.run import TriggerEvent
from tests.deploy.examples import environment

STAGING = environment(name="staging", when="branch == 'main'")
PRODUCTION = environment(after="staging")
AUTOMATIC = environment(name="europe", after="staging", promote=Promote.AUTOMATIC)


def named(*specs: EnvironmentSpec) -> Mapping[str, EnvironmentSpec]:
    return {spec.name: spec for spec in specs}


def guards(**changes: Guards) -> Mapping[str, Guards]:
    return {"staging": Guards(), "production": Guards(), "europe": Guards(), **changes}


def test_the_next_goes_by_itself_only_where_headway_toml_says_so() -> None:
    found = after_deployment(named(STAGING, PRODUCTION, AUTOMATIC), guards(), "staging")
    assert found == (
        Follow(
            "production",
            False,
            "after staging",
            'succeeded in staging; headway.toml does not say promote = "automatic"',
        ),
        Follow("europe", True, "after staging", "succeeded in staging"),
    )
    assert after_deployment(named(STAGING, PRODUCTION, AUTOMATIC), guards(), "production") == ()


def test_a_floor_that_asks_for_a_person_holds_for_the_automatic_one_too() -> None:
    for floor in (Guards(ask=True), Guards(deployers=(("team:web",),))):
        [found] = after_deployment(named(AUTOMATIC), guards(europe=floor), "staging")
        assert found == Follow(
            "europe", False, "after staging", "succeeded in staging; org.toml wants a person to ask"
        )
        [found] = after_release(
            named(STAGING), guards(staging=floor), {"staging": (True, "branch is 'main'")}
        )
        assert not found.by_itself


def test_a_green_release_goes_where_when_holds_and_nothing_comes_before() -> None:
    later = environment(when="branch == 'main'", after="staging", promote=Promote.AUTOMATIC)
    bare = environment(name="lab")
    everywhere = named(STAGING, later, bare)
    holds = {"staging": (True, "branch is 'main'"), "production": (True, "branch is 'main'")}
    assert after_release(everywhere, guards(lab=Guards()), holds) == (
        Follow("staging", True, "green", "green, and branch is 'main'"),
    )
    assert after_release(everywhere, guards(), {**holds, "staging": (False, "branch is 'x'")}) == ()


def test_runs_by_hand_and_of_strangers_bring_nothing_by_themselves() -> None:
    assert not BY_THEMSELVES & {TriggerEvent.PULL_REQUEST, TriggerEvent.TRY, TriggerEvent.MANUAL}


def test_what_is_offered() -> None:
    live = {"staging": "rel-b", "production": "rel-a", "europe": "rel-b"}
    assert offers([STAGING, PRODUCTION, AUTOMATIC], live) == (Offer("production", "staging", "rel-b"),)
    assert offers([PRODUCTION], {"production": "rel-a"}) == ()
    assert offers([PRODUCTION], {"staging": "rel-b"}) == (Offer("production", "staging", "rel-b"),)
