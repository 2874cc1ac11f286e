"""What a deployment does next: a pure function of its rows, of what is under way, and of `now`.

Called again after every change. Late is fine (what is due is due), twice is fine (a host with something
under way gets nothing new), and a program that was killed calls it with the stored rows and nothing under way.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from headway.deploy.host_states import ASKS, GOES_ON, GOING_BACK, SERVES, TOUCHED, ActionKind, HostState
from headway.deploy.strategy import width_back
from headway.domain.deployment import Deployment, DeploymentKind, DeploymentState, HostRow

S, A = HostState, ActionKind


class Asked(StrEnum):
    """What the person at the terminal wants after Ctrl-C. PAUSE: begin nothing new, a question is coming."""

    PAUSE = "pause"
    BACK = "back"
    STAY = "stay"


@dataclass(frozen=True, slots=True)
class Facts:
    """What the rows don't say."""

    #: Hosts on which an action is under way in this process.
    active: frozenset[str] = frozenset()
    has_once: bool = False
    #: The release before still runs after `once`.
    once_compatible: bool = True
    #: How long the first batch is watched once it serves.
    watch: timedelta = timedelta()
    asked: Asked | None = None
    #: Hosts that a person left out: nothing is done on them, and nothing is missed there.
    without: tuple[str, ...] = ()
    #: Hosts on which nothing can be done: what could not be taken back there says nothing of the release before.
    away: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Action:
    kind: ActionKind
    host: str


@dataclass(frozen=True, slots=True)
class Decision:
    """`actions` may all be started at once. Nothing to start and nothing under way is the end, or a question."""

    state: DeploymentState
    reason: str
    actions: tuple[Action, ...] = ()
    #: Hosts on which asking (health, watch) is to be broken off.
    stop: frozenset[str] = frozenset()
    #: All hosts serve and passed their checks.
    verified: bool = False
    #: It turns back without a person asking.
    automatic: bool = False
    #: The question of Ctrl-C may be put now: nothing is under way.
    ask: bool = False


def watch_of(row: HostRow, facts: Facts) -> timedelta:
    """How long this host is watched once it serves."""
    return facts.watch if row.batch == 0 else timedelta()


def next_actions(deployment: Deployment, hosts: Sequence[HostRow], facts: Facts) -> Decision:
    """What may be started now, and the state in which the deployment is, each with its reason.

    `hosts` in the order of their switch. A final state comes only when nothing is under way.
    """
    hosts = [row for row in hosts if row.host not in facts.without]
    if deployment.state is DeploymentState.ROLLING_BACK:
        return _go_back(deployment, hosts, facts)
    failed = [row for row in hosts if row.state in (S.UNPREPARED, S.BROKEN)]
    # Who asks for an older release does not want the newer one back because a host of the older one fails.
    # Nor does it undo what was verified on all hosts that somebody changed one of them since.
    one_way = deployment.kind is DeploymentKind.ROLLBACK or deployment.verified_at is not None
    if facts.asked is Asked.PAUSE:
        return _pause(deployment, facts, hosts)
    if facts.asked is Asked.STAY:
        return _stand_still(
            deployment, hosts, facts, DeploymentState.CANCELLED, "stopped, as it was asked for"
        )
    if facts.asked is Asked.BACK or (failed and not (one_way and all(r.state == S.BROKEN for r in failed))):
        return _turn_back(deployment, hosts, facts, failed)
    if failed and (spared := _spared(failed, hosts)):
        reason = f"{_failures(failed)}; stopped: {_does_not_come_up(deployment.release, spared)}"
        return _stand_still(deployment, hosts, facts, DeploymentState.FAILED, reason)
    return _go_forward(deployment, hosts, facts)


def _spared(failed: Sequence[HostRow], hosts: Sequence[HostRow]) -> list[HostRow]:
    """Hosts that a rollback has not begun, when its release fails on more hosts than it serves on: they are left as
    they are, so that something goes on serving."""
    served = sum(row.state in SERVES for row in hosts)
    return [row for row in hosts if row.state in (S.PREPARED, S.MIGRATED)] if served < len(failed) else []


def _does_not_come_up(release: str, spared: Sequence[HostRow]) -> str:
    return f"{release} does not come up, and {_serves_on(spared)}"


def _cannot_be_put_back(stuck: Sequence[HostRow], serving: Sequence[HostRow]) -> str:
    """Hosts that nothing stood on before are to be emptied: there is no release that could come up on them."""
    before = sorted({row.previous_release for row in stuck if row.previous_release})
    if before:
        return _does_not_come_up(" and ".join(before), serving)
    return f"nothing ran there before, and taking it away failed; {_serves_on(serving)}"


def _serves_on(hosts: Sequence[HostRow]) -> str:
    return f"{', '.join(row.host for row in hosts)} {'serves' if len(hosts) == 1 else 'serve'} on"


def _go_forward(deployment: Deployment, hosts: Sequence[HostRow], facts: Facts) -> Decision:
    running = DeploymentState.RUNNING
    unprepared = [row for row in hosts if row.state in (S.WAITING, S.PREPARING)]
    if unprepared:
        done = len(hosts) - len(unprepared)
        return Decision(running, f"preparing, {done} of {len(hosts)} hosts ready", _start(unprepared, facts))
    first = hosts[0]
    if first.state == S.MIGRATING or (facts.has_once and first.state == S.PREPARED):
        return Decision(running, f"running `once` on {first.host}", _start([first], facts, A.ONCE))
    for number in sorted({row.batch for row in hosts}):
        batch = [row for row in hosts if row.batch == number and row.state not in (S.BROKEN, S.LEFT_OUT)]
        if unfinished := [row for row in batch if row.state not in SERVES]:
            names = ", ".join(row.host for row in unfinished)
            total = 1 + max(row.batch for row in hosts)
            return Decision(running, f"batch {number + 1} of {total}: {names}", _start(unfinished, facts))
    return _conclude(deployment, hosts, facts)


def _conclude(deployment: Deployment, hosts: Sequence[HostRow], facts: Facts) -> Decision:
    """Every host serves (or, on the way to an older release, is broken): write the records, then it is over."""
    running = DeploymentState.RUNNING
    missing = [row for row in hosts if row.state in (S.BROKEN, S.LEFT_OUT)]
    if unrecorded := [row for row in hosts if row.state in (S.LIVE, S.FINISHING)]:
        total = len(hosts) + len(facts.without)
        whole = len(hosts) - len(missing) == total
        serving = "all hosts serve" if whole else f"{len(hosts) - len(missing)} of {total} hosts serve"
        return Decision(
            running,
            f"{serving}, writing the record",
            _start(unrecorded, facts, A.FINISH),
            verified=not missing,
        )
    if facts.active:
        return Decision(running, "waiting for what is under way")
    if missing:
        reason = f"{_failures(missing)}; {what_stands(deployment, hosts)}; {what_to_do(deployment, hosts)}"
        return Decision(DeploymentState.FAILED, reason)
    told = [f"{row.host}: {row.reason}" for row in hosts if row.reason]
    where = "all hosts"
    if facts.without:
        names = ", ".join(facts.without)
        total = len(hosts) + len(facts.without)
        where = f"{len(hosts)} of {total} hosts; {names} left out, the next deployment brings it to them"
    reason = f"serves on {where}" + (", but " + "; ".join(told) if told else "")
    return Decision(DeploymentState.SUCCEEDED, reason, verified=True)


_FORWARD = {S.WAITING: A.PREPARE, S.PREPARED: A.SWITCH, S.MIGRATED: A.SWITCH}


def _start(rows: Iterable[HostRow], facts: Facts, kind: ActionKind | None = None) -> tuple[Action, ...]:
    """What goes on with each of `rows` that has nothing under way; `kind` where the state alone doesn't say."""
    return tuple(
        Action(GOES_ON.get(HostState(row.state)) or kind or _FORWARD[HostState(row.state)], row.host)
        for row in rows
        if row.host not in facts.active
    )


def _turn_back(
    deployment: Deployment, hosts: Sequence[HostRow], facts: Facts, failed: Sequence[HostRow]
) -> Decision:
    """A host failed, or the person wants to go back: what is under way ends first, then all that was switched goes back."""
    reason = _failures(failed) if failed else "asked to go back"
    touched = [row for row in hosts if row.state in TOUCHED]
    if touched and facts.has_once and not facts.once_compatible:
        return _stand_still(
            deployment,
            hosts,
            facts,
            DeploymentState.FAILED,
            f'{reason}; cannot go back: `once` has run and is declared rollback = "incompatible"; go on with a '
            f"repaired release: headway deploy {deployment.environment}",
        )
    asking = frozenset(row.host for row in hosts if row.state in ASKS and row.host in facts.active)
    # Begun by an owner who was killed: followed to its end, so that nothing goes on behind our back.
    left = _start([row for row in hosts if row.state in (S.PREPARING, S.MIGRATING)], facts)
    if facts.active or left:
        return Decision(deployment.state, reason, left, stop=asking)
    if not touched:
        state = DeploymentState.FAILED if failed else DeploymentState.CANCELLED
        return Decision(state, f"{reason}; no host was switched")
    return Decision(DeploymentState.ROLLING_BACK, reason, _back_actions(hosts, facts), automatic=bool(failed))


def _stand_still(
    deployment: Deployment, hosts: Sequence[HostRow], facts: Facts, end: DeploymentState, reason: str
) -> Decision:
    """No way back and none forward: hosts whose switch has begun are brought to serve, no other one is begun."""
    unfinished = [row for row in hosts if row.state in TOUCHED - {S.BROKEN, S.LIVE}]
    if unfinished or facts.active:
        return Decision(deployment.state, reason, _start(unfinished, facts))
    told = [reason, what_stands(deployment, hosts)]
    if end is DeploymentState.FAILED and deployment.kind is DeploymentKind.ROLLBACK:
        told.append(what_to_do(deployment, hosts))
    return Decision(end, "; ".join(told))


def _go_back(deployment: Deployment, hosts: Sequence[HostRow], facts: Facts) -> Decision:
    state = DeploymentState.ROLLING_BACK
    if actions := _back_actions(hosts, facts):
        return Decision(state, deployment.reason, actions)
    if facts.active:
        return Decision(state, deployment.reason)
    if stuck := [row for row in hosts if row.state == S.STUCK]:
        told = [deployment.reason, f"GOING BACK FAILED: {_failures(stuck)}"]
        if serving := [row for row in hosts if row.state == S.LIVE]:
            told.append(f"stopped: {_cannot_be_put_back(stuck, serving)}")
        told += [what_stands(deployment, hosts), what_to_do(deployment, hosts)]
        return Decision(DeploymentState.FAILED, "; ".join(told))
    return Decision(DeploymentState.ROLLED_BACK, deployment.reason)


def _back_actions(hosts: Sequence[HostRow], facts: Facts) -> tuple[Action, ...]:
    """In the reverse order of the switch, several at once; what is on its way back already goes on.

    What serves is left as it is once the release before has failed to come up on more hosts than it came up on.
    """
    on_the_way = [row for row in hosts if row.state in GOING_BACK]
    room = width_back(len(hosts)) - len(on_the_way)
    touched = [row for row in reversed(hosts) if row.state in TOUCHED and row.host not in facts.active]
    watched: list[HostRow] = []
    tried = [row for row in hosts if row.host not in facts.away]
    if _count(tried, S.STUCK) > _count(tried, S.REVERTED):
        watched = [row for row in touched if row.state == S.WATCHING]
        touched = [row for row in touched if row.state not in (S.LIVE, S.WATCHING)]
    return (
        *_start([*on_the_way, *watched], facts),
        *(Action(A.REVERT, row.host) for row in touched[: max(0, room)]),
    )


def _count(hosts: Sequence[HostRow], state: HostState) -> int:
    return sum(row.state == state for row in hosts)


def _pause(deployment: Deployment, facts: Facts, hosts: Sequence[HostRow]) -> Decision:
    asking = frozenset(row.host for row in hosts if row.state in ASKS and row.host in facts.active)
    reason = "finishing the step at hand" if facts.active else "paused"
    return Decision(deployment.state, reason, stop=asking, ask=not facts.active)


def _failures(failed: Sequence[HostRow]) -> str:
    return "; ".join(f"{row.host}: {row.reason}" for row in failed)


def what_stands(deployment: Deployment, hosts: Sequence[HostRow]) -> str:
    """What is on which host, for a person who has to go on from there: `rel-b on web1, web2; rel-a on web3`."""
    places: dict[str, list[str]] = {}
    for row in hosts:
        places.setdefault(_standing(deployment, row), []).append(row.host)
    return "; ".join(f"{what} on {', '.join(names)}" for what, names in places.items())


def what_to_do(deployment: Deployment, hosts: Sequence[HostRow]) -> str:
    """After a way back that failed: the commands by which a person goes on from there."""
    environment, release = deployment.environment, deployment.release
    ill = ", ".join(row.host for row in hosts if row.state in (S.BROKEN, S.STUCK, S.LEFT_OUT))
    had = sorted({row.previous_release for row in hosts if row.previous_release} - {release})
    ways = []
    if deployment.kind is DeploymentKind.ROLLBACK:
        ways.append(f"mend {ill} and call it again: headway rollback {environment} --to {release}")
        ways.append(f"or take another release: headway rollback {environment} --to RELEASE")
    else:
        ways.append(
            f"bring one release to all, when {ill} is mended: headway deploy {environment} --release {release}"
        )
    ways += [f"or headway deploy {environment} --release {one}" for one in had]
    return ", ".join(ways)


def _standing(deployment: Deployment, row: HostRow) -> str:
    before = row.previous_release or "nothing"
    if row.state in SERVES or row.state == S.WATCHING:
        return deployment.release
    if row.state == S.LEFT_OUT and row.previous_release is None:
        return "unknown"
    if row.state in TOUCHED:
        drained = f"{before}, drained," if row.previous_release else "nothing yet"
        return f"{deployment.release}, not verified," if row.switched_at else drained
    if row.state == S.STUCK or row.state in GOING_BACK:
        half_way = f"half-way between {deployment.release} and {before}"
        return half_way if row.previous_release else f"{deployment.release}, not wholly taken away,"
    return before
