"""What the hosts say of a deployment that was left half-way: is it still as it was left, or did somebody act there since?

A pure function of the stored rows and of one look at each host under the lock. Rows are Headway's memory; `current`,
its settings and the numbers of the owners are what stands there. Where they contradict each other, the hosts are right.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from headway.deploy.commands import Group
from headway.deploy.host_states import SERVES, UNTOUCHED, HostState, correct
from headway.deploy.plan import HostPlan, Plan
from headway.deploy.record import HostRecord
from headway.domain.deployment import HostRow

S = HostState
#: Jobs that change what a host serves, or what it serves from.
_CHANGES = frozenset({Group.ONCE, Group.SWITCH, Group.UNDRAIN, Group.BACK, Group.READMIT})
#: The switch was done and stored.
_ON_NEW = SERVES | {S.CHECKING, S.UNDRAINING, S.WATCHING}
_NOT_YET = UNTOUCHED | {S.MIGRATING, S.MIGRATED, S.UNPREPARED}
_BACK = frozenset({S.RECHECKING, S.READMITTING, S.REVERTED})


@dataclass(frozen=True, slots=True)
class Since:
    """What happened on the hosts since a deployment was left."""

    #: Who else switched hosts, and what to, as half a sentence; empty when nobody did.
    another: str = ""
    #: That one came to its end: what it brought is what is live.
    finished: bool = False
    #: Rows of hosts that have something else than what was left there, as they have to be now.
    corrected: tuple[HostRow, ...] = ()
    #: What stands where, for a person.
    stands: str = ""

    @property
    def is_ours(self) -> bool:
        return not self.another and not self.corrected

    @property
    def told(self) -> str:
        hosts = ", ".join(row.host for row in self.corrected)
        return f"{self.another or f'changed by hand on {hosts}'}; there stands {self.stands}"


def since(
    plan: Plan, rows: Iterable[HostRow], records: Mapping[str, HostRecord], *, going_back: bool
) -> Since:
    """`records` are of the hosts that could be reached. Going back, a host that somebody took back already is no
    contradiction: that is where it goes."""
    finished = _newest_finished(plan, records)
    another = _told(finished) if finished else _begun(plan, records)
    corrected = tuple(
        changed
        for row in rows
        if (record := records.get(row.host)) is not None
        and (changed := _corrected(plan, row, record, going_back=going_back)) is not None
    )
    return Since(another, finished is not None, corrected, what_stands_there(records))


def what_stands_there(records: Mapping[str, HostRecord]) -> str:
    places: dict[str, list[str]] = {}
    for name, record in records.items():
        places.setdefault(record.live_release or "nothing", []).append(name)
    return "; ".join(f"{what} on {', '.join(names)}" for what, names in places.items())


def stands(record: HostRecord, release: str, deployment: str) -> bool:
    """Whether this is what the host's links point to."""
    return record.live_release == release and record.current_settings in (None, f"{deployment}.env")


def _corrected(plan: Plan, row: HostRow, record: HostRecord, *, going_back: bool) -> HostRow | None:
    """None: what stands there is what the row says."""
    state, host = HostState(row.state), plan.host(row.host)
    if state is S.LEFT_OUT:
        return None
    on_new, on_old = _on_new(plan, record), _on_old(host, record)
    if state in _ON_NEW and not going_back:
        expected = on_new
    elif state in _NOT_YET:
        # Rows of a database that was put back from a copy are older than what was done.
        expected = on_old or on_new
    elif state in _BACK:
        expected = on_old
    else:
        # On its way: the link of its settings is there a moment before that of the release.
        old: set[str | None] = {one.release for one in (host.running, host.predecessor) if one}
        expected = record.live_release in (old or {None}) | {plan.release}
    if expected:
        return None
    return correct(row, S.REVERTED if on_old else S.LEFT_OUT, _instead(plan, record))


def _instead(plan: Plan, record: HostRecord) -> str:
    if record.live_release is None:
        return "has no `current`: this deployment did not remove it"
    settings = record.live_release == plan.release and record.current_settings
    what = record.live_release + (f" with {settings}" if settings else "")
    return f"has {what}, which was not put there by this deployment"


def _on_new(plan: Plan, record: HostRecord) -> bool:
    return stands(record, plan.release, plan.deployment)


def _on_old(host: HostPlan, record: HostRecord) -> bool:
    olds = [one for one in (host.running, host.predecessor) if one is not None]
    return (
        any(stands(record, one.release, one.deployment) for one in olds)
        if olds
        else record.live_release is None
    )


def _newest_finished(plan: Plan, records: Mapping[str, HostRecord]) -> Mapping[str, Any] | None:
    began = _began(plan, records)
    found = []
    for name, record in records.items():
        told = record.deployed
        if told is None or told.get("deployment") == plan.deployment:
            continue
        if began is None:
            before = plan.host(name).predecessor
            newer = before is None or told.get("deployment") != before.deployment
        else:
            newer = _token(told) > began
        if newer:
            found.append(told)
    return max(found, key=_token, default=None)


def _begun(plan: Plan, records: Mapping[str, HostRecord]) -> str:
    """Another owner's half-way deployment; empty when there is none."""
    began = _began(plan, records)
    if began is None:
        return ""
    others = sorted(
        {
            (step.deployment, name)
            for name, record in records.items()
            for step in record.steps()
            if step.epoch > began and step.deployment != plan.deployment and step.group in _CHANGES
        }
    )
    if not others:
        return ""
    last = others[-1][0]
    hosts = ", ".join(host for deployment, host in others if deployment == last)
    return f"{last}, which this database does not know, has begun on {hosts} since and did not end"


def _began(plan: Plan, records: Mapping[str, HostRecord]) -> int | None:
    """The epoch in which it began; None for one of an older version that has left no job."""
    if plan.epoch:
        return plan.epoch
    own = [
        step.epoch
        for record in records.values()
        for step in record.steps()
        if step.deployment == plan.deployment
    ]
    return min(own, default=None)


def _told(deployed: Mapping[str, Any]) -> str:
    what = "went back to" if deployed.get("kind") == "rollback" else "deployed"
    at = f" at {deployed['at']}" if deployed.get("at") else ""
    return f"{deployed.get('by') or 'somebody'} {what} {deployed.get('release')}{at} ({deployed.get('deployment')})"


def _token(deployed: Mapping[str, Any]) -> int:
    token = deployed.get("token")
    return token if isinstance(token, int) else 0
