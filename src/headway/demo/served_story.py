"""The acts with a server: what Dana pushes goes its way by itself, and Olive has the say at production's door."""

from typing import Any

from headway.demo.layout import HOSTS
from headway.demo.repository import COUNTED_ITEMS, EXACT_PRICES, PLAIN_PRICES, SHORTER_PRICES
from headway.demo.served_stage import ServedStage
from headway.demo.story import HALF_WAY_WITHIN
from headway.demo.world import ODD_HOST


def play(stage: ServedStage) -> None:
    """The whole story. Raises Otherwise at the first thing that goes otherwise than told."""
    server(stage)
    good = works(stage)
    tests_fail(stage, good)
    bad_on_one_host(stage, good)
    counted = killed_half_way(stage)
    taken_back(stage, good, counted)
    repaired(stage)
    measured(stage)


def server(stage: ServedStage) -> None:
    """Told before the acts, so that a person can open the pages and watch."""
    stage.teller.typed("headway up")
    stage.teller.say(f"  Headway is at {stage.served.url}. Watch it there; this link lets you in, once:")
    stage.teller.say(f"  {stage.served.sign_in}")
    stage.people()
    stage.teller.say("  Dana may push there, and Olive has the say at production's door.")


def works(stage: ServedStage) -> str:
    stage.teller.act(
        1,
        "A commit that works",
        "Dana pushes. The server tests and builds it and brings it to staging by itself; production waits for Olive.",
    )
    commit = stage.repository.create(stage.layout)
    stage.connect()
    release = _through_production(stage, commit, "Our first one")
    stage.picture()
    stage.expect_everywhere(release, f"all hosts serve {stage.teller.letter(release)}")
    stage.tale.commits[commit] = "delivered"
    return release


def tests_fail(stage: ServedStage, good: str) -> None:
    stage.teller.act(2, "A commit whose tests fail", "It never leaves the pipeline.")
    commit = stage.commit(SHORTER_PRICES)
    summary = stage.push(commit, expect="failed")
    for case in summary["failed_tests"]:
        stage.teller.output(f"failed: {case['name']}: {case['message'].partition(chr(10))[0][:80]}")
    stage.expect(bool(summary["failed_tests"]), "its page begins with the test that failed", summary)
    stage.expect(summary["run"]["release"] is None, "there is no release of it", summary["run"]["release"])
    asked = stage.newest_request()
    stage.expect(asked == good, "so nothing asks for production", asked)
    stage.expect_everywhere(good, "users go on with what they had")
    stage.tale.commits[commit] = "stopped"
    stage.revert(commit)


def bad_on_one_host(stage: ServedStage, good: str) -> None:
    stage.teller.act(
        3,
        "A commit that is bad on one host only",
        f"Its tests pass and staging is well. But the catalogue of {ODD_HOST} still holds a price with a comma.",
    )
    commit = stage.commit(PLAIN_PRICES)
    release = stage.tale.bad_release = _to_staging(stage, commit)
    stage.approve(release, "Looks well on staging")
    deployment = stage.deployed("production", release)
    stage.expect_state(deployment, "rolled_back")
    stage.picture()
    letter, before = stage.teller.letter(release), stage.teller.letter(good)
    stage.expect_everywhere(good, f"production turned back by itself: all hosts serve {before} again")
    starts = {host: stage.starts(host, release) for host in HOSTS}
    stage.expect(
        starts == {host: int(host <= ODD_HOST) for host in HOSTS},
        f"{letter} was started on {HOSTS[0]} and {ODD_HOST}, and {HOSTS[-1]} never met it",
        starts,
    )
    failures = stage.watch.counts().failures_of(release)
    stage.teller.say(f"  {len(failures)} requests of users failed by {letter}; the others were answered.")
    stage.tale.commits[commit] = "rolled_back"
    stage.revert(commit)


def killed_half_way(stage: ServedStage) -> str:
    stage.teller.act(
        4,
        "kill -9 of the server in the middle of a good rollout",
        "It dies between two hosts. Its machine starts it again, as systemd would, and it goes on where it stood.",
    )
    commit = stage.commit(COUNTED_ITEMS)
    release = _to_staging(stage, commit)
    stage.approve(release, "The shop wants to show it")
    begun = stage.under_way("production", release)
    first, second = HOSTS[0], HOSTS[1]

    def half_way() -> bool:
        balancer = stage.world.balancer()
        switched = stage.world.live_release(first) == release and bool(balancer[first]["included"])
        return switched and not balancer[second]["included"]

    with stage.teller.under_way("the server deploys to production"):
        stage.wait_closely(half_way, f"{first} serves {release} and {second} is drained", HALF_WAY_WITHIN)
    killed = stage.served.kill()
    stage.teller.typed(f"kill -9 {killed}")
    stage.picture()
    again = stage.served.wait_until_back(killed)
    stage.teller.good(f"the server is back, as process {again}")
    if link := stage.served.sign_in:
        stage.teller.say(f"  Nobody has signed in yet; its link is now {link}")
    deployment = stage.deployed("production", release)
    stage.expect_state(deployment, "succeeded")
    stage.picture()
    same = deployment["number"] == begun["number"]
    stage.expect(same, f"it went on with deployment {begun['number']}", deployment["number"])
    letter = stage.teller.letter(release)
    stage.expect_everywhere(release, f"all hosts serve {letter}")
    starts = {host: stage.starts(host, release) for host in HOSTS}
    stage.expect(
        set(starts.values()) == {1},
        f"{letter} was started once on each host: nothing that was done was done again",
        starts,
    )
    stage.tale.resumed_after_kill = 1
    stage.tale.commits[commit] = "delivered"
    return release


def taken_back(stage: ServedStage, good: str, unwanted: str) -> None:
    letter = stage.teller.letter(unwanted)
    stage.teller.act(
        5,
        "A person takes it back",
        f"{letter} works, and nobody likes it. Olive types one command; going back needs no approval.",
    )
    olive = stage.served.variables(stage.olive)
    stage.headway("rollback", "production", expect=0, variables=olive)
    deployment = stage.deployed("production", good)
    stage.expect_state(deployment, "succeeded")
    stage.picture()
    stage.expect_everywhere(good, f"all hosts serve {stage.teller.letter(good)} again")


def repaired(stage: ServedStage) -> None:
    stage.teller.act(
        6, "The repair", "What was bad in act 3 is done again, with what broke written down as a test."
    )
    commit = stage.commit(EXACT_PRICES)
    release = _through_production(stage, commit, "With a test of commas")
    stage.picture()
    stage.expect_everywhere(release, f"all hosts serve {stage.teller.letter(release)}, {ODD_HOST} too")
    stage.tale.commits[commit] = "delivered"


def measured(stage: ServedStage) -> None:
    stage.teller.act(
        7, "How well we deliver", "The five delivery metrics, from the rows that the story left behind."
    )
    stage.headway("metrics", expect=0, variables=stage.served.variables(stage.dana))


def _to_staging(stage: ServedStage, commit: str) -> str:
    """Push, and what follows by itself; answers the release."""
    summary = stage.push(commit, expect="succeeded")
    release = str(summary["run"]["release"])
    stage.teller.good(f"it made {release}: {stage.teller.letter(release)} in the pictures below")
    stage.expect_state(stage.deployed("staging", release), "succeeded")
    stage.expect(stage.staging_release() == release, "staging serves it", stage.staging_release())
    return release


def _through_production(stage: ServedStage, commit: str, comment: str) -> str:
    release = _to_staging(stage, commit)
    stage.approve(release, comment)
    deployment: dict[str, Any] = stage.deployed("production", release)
    stage.expect_state(deployment, "succeeded")
    return release
