"""What came of each deployment to production: superseded, taken back, repaired in haste, and recovered from when.

Until incidents exist, *failed* is what was taken back (by itself, during its rollout, or by `rollback`) or was
followed within 72 hours by `deploy --hotfix`. A rollback names what was live when it came, a hotfix the
deployment before it: nothing is guessed from time alone.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import groupby

from headway.domain.deployment import DeploymentKind, DeploymentState
from headway.dora.facts import DeploymentFact

#: How long a deployment may be blamed for what follows it, and how old it is when it counts as mature.
HORIZON = timedelta(hours=72)

K, S = DeploymentKind, DeploymentState


@dataclass(frozen=True, slots=True)
class Told:
    """A deployment and what came of it."""

    fact: DeploymentFact
    #: The next deployment to the same environment that switched a host.
    superseded_by: DeploymentFact | None = None
    #: Why it counts as failed; None when it does not.
    failure: str | None = None
    #: A later rollback took it back.
    taken_back: bool = False
    #: It is a rollback, and something was taken back by it.
    took_back: bool = False

    @property
    def is_change(self) -> bool:
        """It brought something new: neither a rollback nor the same release again."""
        return self.fact.kind in (K.PLANNED, K.HOTFIX)

    @property
    def is_good(self) -> bool:
        """It served everywhere, passed verification, and stayed."""
        return self.fact.state is S.SUCCEEDED and not self.taken_back

    def is_mature(self, now: datetime) -> bool:
        switched = self.fact.first_switched_at
        return switched is not None and (self.superseded_by is not None or now - switched >= HORIZON)


@dataclass(frozen=True, slots=True)
class Outage:
    """From a bad deployment's first switch until every host was verified on a good one; None while it lasts."""

    failed: tuple[DeploymentFact, ...]
    start: datetime
    end: datetime | None
    #: What ended it, or that it lasts.
    rule: str


def tell(deployments: Iterable[DeploymentFact]) -> tuple[Told, ...]:
    """What came of every deployment of all services and environments, in the order of their first switch.

    Those that never switched a host come last, in the order of their request.
    """
    by_place = sorted(deployments, key=lambda d: (d.service, d.environment, d.requested_at, d.number))
    told: list[Told] = []
    for _, group in groupby(by_place, key=lambda d: (d.service, d.environment)):
        told += _tell_environment(list(group))
    return tuple(sorted(told, key=_when))


def _when(told: Told) -> tuple[bool, datetime, int]:
    switched = told.fact.first_switched_at
    return switched is None, switched or told.fact.requested_at, told.fact.number


@dataclass(slots=True)
class _Environment:
    """Walks through one environment's deployments in the order of their first switch."""

    told: dict[str, Told] = field(default_factory=dict)
    #: What would be live if all later ones were taken back; the last one is live.
    live: list[DeploymentFact] = field(default_factory=list)
    before: DeploymentFact | None = None

    def see(self, fact: DeploymentFact) -> None:
        self.told[fact.id] = Told(fact)
        if self.before is not None:
            self._change(self.before, superseded_by=fact)
        if fact.kind is K.ROLLBACK:
            self._take_back(fact)
        else:
            if (own := own_failure(fact)) is not None:
                self._fail(fact, own)
            # What could not be taken back, or was left as it was, still stands on hosts.
            if fact.state is not S.ROLLED_BACK:
                self.live.append(fact)
        self.before = fact

    def _take_back(self, rollback: DeploymentFact) -> None:
        """Everything above the release it goes to; only what is live when that release is not known here.

        What was live is what failed. Of those below only the ones young enough to be blamed failed with it.
        """
        releases = [fact.release for fact in self.live]
        if not releases or releases[-1] == rollback.release:
            return
        known = rollback.release in releases
        keep = len(releases) - releases[::-1].index(rollback.release) if known else len(releases) - 1
        for fact in self.live[keep:]:
            if fact is self.live[-1] or _age(fact, rollback.first_switched_at) <= HORIZON:
                self._fail(fact, f"taken back by rollback {rollback.number}")
            self._change(fact, taken_back=True)
        del self.live[keep:]
        self._change(rollback, took_back=True)

    def _fail(self, fact: DeploymentFact, why: str) -> None:
        self._change(fact, failure=self.told[fact.id].failure or why)

    def blame(self, hotfixes: Iterable[DeploymentFact]) -> None:
        """A hotfix names the deployment that users had met last when it was asked for."""
        met = [told.fact for told in self.told.values() if told.fact.kind is not K.ROLLBACK]
        times = [fact.first_switched_at for fact in met if fact.first_switched_at is not None]
        for hotfix in hotfixes:
            index = bisect_left(times, hotfix.requested_at) - 1
            if index >= 0 and _age(met[index], hotfix.requested_at) <= HORIZON:
                self._fail(met[index], f"followed within 72 h by hotfix {hotfix.number}")

    def _change(self, fact: DeploymentFact, **changes: object) -> None:
        self.told[fact.id] = replace(self.told[fact.id], **changes)  # type: ignore[arg-type]


def _tell_environment(facts: Sequence[DeploymentFact]) -> list[Told]:
    switched = sorted(
        (fact for fact in facts if fact.first_switched_at is not None),
        key=lambda fact: (fact.first_switched_at, fact.number),
    )
    environment = _Environment()
    for fact in switched:
        environment.see(fact)
    environment.blame(fact for fact in facts if fact.kind is K.HOTFIX and not _was_withdrawn(fact))
    return [*environment.told.values(), *(Told(fact) for fact in facts if fact.first_switched_at is None)]


def _was_withdrawn(fact: DeploymentFact) -> bool:
    return fact.state is S.CANCELLED and fact.first_switched_at is None


def _age(fact: DeploymentFact, at: datetime | None) -> timedelta:
    assert at is not None
    assert fact.first_switched_at is not None
    return at - fact.first_switched_at


def own_failure(fact: DeploymentFact) -> str | None:
    """Why a deployment that switched hosts failed by its own end; None when nothing says so."""
    if fact.state is S.ROLLED_BACK:
        return "taken back by itself" if fact.automatic else "taken back during its rollout, as was asked"
    if fact.state is S.ROLLING_BACK:
        return "being taken back now"
    if fact.state is S.FAILED:
        return (
            "could not be taken back from every host"
            if fact.automatic
            else "failed on hosts and stayed there"
        )
    return None


def outages(told: Iterable[Told]) -> tuple[Outage, ...]:
    """One for each time that an environment had something bad on it, in order. What fails while another one lasts belongs to it."""
    found: list[Outage] = []
    by_place = sorted(
        (item for item in told if item.fact.first_switched_at is not None),
        key=lambda item: (item.fact.service, item.fact.environment, *_when(item)),
    )
    for _, group in groupby(by_place, key=lambda item: (item.fact.service, item.fact.environment)):
        found += _outages_of(list(group))
    return tuple(sorted(found, key=lambda outage: outage.start))


def _outages_of(told: Sequence[Told]) -> list[Outage]:
    found: list[Outage] = []
    # Every moment at which all hosts were verified on something good.
    recoveries = sorted(
        (item.fact.verified_at, item.fact.number)
        for item in told
        if item.fact.state is S.SUCCEEDED and item.failure is None and item.fact.verified_at is not None
    )
    later = 0
    for item in told:
        start = item.fact.first_switched_at
        if item.failure is None or start is None:
            continue
        if found and (found[-1].end is None or start < found[-1].end):
            found[-1] = replace(found[-1], failed=(*found[-1].failed, item.fact))
            continue
        while later < len(recoveries) and recoveries[later][0] <= start:
            later += 1
        end, rule = (None, "lasts: nothing good was verified on every host since")
        if later < len(recoveries):
            end, rule = recoveries[later][0], f"all hosts verified on deployment {recoveries[later][1]}"
        restored = item.fact.restored_at
        if restored is not None and (end is None or restored <= end):
            end, rule = restored, _RESTORED
        found.append(Outage((item.fact,), start, end, rule))
    return found


_RESTORED = "all hosts verified on what they had before"
