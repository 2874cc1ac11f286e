"""The acts: a commit that works, one whose tests fail, one that is bad on one host, a kill, a repair, the metrics."""

from headway.demo.layout import HOSTS
from headway.demo.repository import (
    COUNTED_ITEMS,
    EXACT_PRICES,
    PLAIN_PRICES,
    SHORTER_PRICES,
    Change,
)
from headway.demo.stage import Stage
from headway.demo.world import ODD_HOST

#: Seconds until a rolling deployment stands between its first and its second host.
HALF_WAY_WITHIN = 60.0
#: Lines that are shown of what was shown whole before.
BRIEF = 3


def play(stage: Stage) -> None:
    """The whole story. Raises Otherwise at the first thing that goes otherwise than told."""
    good = works(stage)
    tests_fail(stage, good)
    bad_on_one_host(stage, good)
    killed_half_way(stage)
    repaired(stage)
    measured(stage)


def works(stage: Stage) -> str:
    stage.teller.act(
        1,
        "A commit that works",
        "The tests run, a release is made; staging gets it, then production host by host.",
    )
    commit = stage.repository.create(stage.layout)
    release = _ship_to_staging(stage, brief=False)
    stage.deploy("production", expect=0)
    stage.picture()
    stage.expect_everywhere(release, f"all hosts serve {stage.teller.letter(release)}")
    stage.tale.commits[commit] = "delivered"
    return release


def tests_fail(stage: Stage, good: str) -> None:
    stage.teller.act(2, "A commit whose tests fail", "It never leaves the pipeline.")
    commit = _commit(stage, SHORTER_PRICES)
    release = stage.run(expect=1)
    stage.headway("deploy", "production", expect=2)
    stage.expect(release is None, "there is no release of it, so nothing can be deployed", release)
    stage.expect_everywhere(good, "users go on with what they had")
    stage.tale.commits[commit] = "stopped"
    _revert(stage, commit)


def bad_on_one_host(stage: Stage, good: str) -> None:
    stage.teller.act(
        3,
        "A commit that is bad on one host only",
        f"Its tests pass and staging is well. But the catalogue of {ODD_HOST} still holds a price with a comma.",
    )
    commit = _commit(stage, PLAIN_PRICES)
    release = stage.tale.bad_release = _ship_to_staging(stage)
    stage.deploy("production", expect=1)
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
    _revert(stage, commit)


def killed_half_way(stage: Stage) -> None:
    stage.teller.act(
        4,
        "kill -9 in the middle of a good rollout",
        "Headway itself dies between two hosts. The same command again goes on where it stood.",
    )
    commit = _commit(stage, COUNTED_ITEMS)
    release = _ship_to_staging(stage)
    before = max(stage.tale.deployments)
    first, second = HOSTS[0], HOSTS[1]

    def half_way() -> bool:
        balancer = stage.world.balancer()
        switched = stage.world.live_release(first) == release and bool(balancer[first]["included"])
        return switched and not balancer[second]["included"]

    running = stage.start("deploy", "production")
    with stage.teller.under_way("headway deploy production"):
        told = f"{first} serves {release} and {second} is drained"
        stage.wait_until(half_way, told, running=running, within=HALF_WAY_WITHIN)
        running.kill()
        stage.ended(running.wait(), None)
    stage.teller.typed(f"kill -9 {running.process.pid}")
    stage.picture()
    again = stage.deploy("production", expect=0)
    stage.picture()
    stage.expect(again == before + 1, f"the second call went on with deployment {again}", again)
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


def repaired(stage: Stage) -> None:
    stage.teller.act(
        5, "The repair", "What was bad in act 3 is done again, with what broke written down as a test."
    )
    commit = _commit(stage, EXACT_PRICES)
    release = _ship_to_staging(stage)
    stage.deploy("production", expect=0, brief=BRIEF)
    stage.picture()
    stage.expect_everywhere(release, f"all hosts serve {stage.teller.letter(release)}, {ODD_HOST} too")
    stage.tale.commits[commit] = "delivered"


def measured(stage: Stage) -> None:
    stage.teller.act(
        6, "How well we deliver", "The five delivery metrics, from the rows that the story left behind."
    )
    stage.headway("metrics", expect=0)


def _commit(stage: Stage, change: Change) -> str:
    commit = stage.repository.apply(change)
    stage.teller.typed(f'git commit --all --message "{change.subject}"')
    stage.teller.changed(stage.repository.diff(commit))
    return commit


def _revert(stage: Stage, commit: str) -> None:
    stage.teller.typed(f"git revert --no-edit {commit[:10]}")
    stage.tale.commits[stage.repository.revert(commit)] = "reverting"


def _ship_to_staging(stage: Stage, *, brief: bool = True) -> str:
    """Run the pipeline and deploy to staging; answers the release."""
    few = BRIEF if brief else None
    release = stage.run(expect=0, brief=few)
    assert release is not None
    stage.teller.good(f"it made {release}: {stage.teller.letter(release)} in the pictures below")
    stage.deploy("staging", expect=0, brief=few)
    stage.expect(stage.staging_release() == release, "staging serves it", stage.staging_release())
    return release
