"""The two metrics that are times: change lead time and failed deployment recovery time."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from headway.dora.facts import CommitFact, DeploymentFact, WaitingCommit
from headway.dora.history import Told, outages
from headway.dora.metric import Counted, Evidence, Metric, MetricName, Unit, Window, plural
from headway.dora.survival import Spell, enough, independent, median_of, quantile

#: Up to so many values are shown themselves where there is no interval.
_SHOW_RAW = 20
#: The cluster of all that waits: no deployment tells of it yet, so together it is one witness.
_WAITING = "waiting"


def lead_time(told: Sequence[Told], waiting: Iterable[WaitingCommit], window: Window) -> Metric:
    """From a commit's committer time until it serves, verified, on every production host, and stays.

    Of commits that reached production in the window, and of all that are known to wait now. A deployment that
    was taken back delivers nothing; the later good one does. First deployments are left out.
    """
    spells: list[Spell] = []
    evidence: list[Evidence] = []
    unknown = 0
    for delivery in _deliveries(told):
        row = _lead_time_row(delivery, window)
        if row is None:
            continue
        evidence.append(row)
        if row.counted in (Counted.YES, Counted.CENSORED):
            cluster = delivery.fact.id if delivery.waits is None else _WAITING
            spells.append(Spell(row.value or 0.0, row.counted is Counted.YES, cluster))
    known = {row.commit for row in evidence}
    for other in waiting:
        if other.commit.sha not in known:
            known.add(other.commit.sha)
            row = _waiting_row(other, window)
            spells.append(Spell(row.value or 0.0, False, _WAITING))
            evidence.append(row)
    for item in told:
        if item.fact.changes.commits is None and window.holds(item.fact.verified_at):
            unknown += 1
            evidence.append(_apart(item.fact, f"its commits are not known: {item.fact.changes.unknown}"))
        elif item.fact.changes.base is None and item.is_change and window.holds(item.fact.first_switched_at):
            evidence.append(
                _apart(item.fact, "the first deployment here: its commits are older than Headway's watch")
            )
    return _time_metric(
        MetricName.LEAD_TIME, spells, evidence, "commit", {"deployments_with_unknown_commits": unknown}
    )


def recovery_time(told: Sequence[Told], window: Window) -> Metric:
    """From a failed deployment's first switch until every host was verified on a good one.

    Of those that were over in the window, and of all that last. Failures while one lasts belong to it.
    """
    spells: list[Spell] = []
    evidence: list[Evidence] = []
    reasons = {item.fact.id: item.failure for item in told}
    for outage in outages(told):
        if outage.end is not None and not window.holds(outage.end):
            continue
        length = _seconds(outage.start, outage.end or window.end)
        spells.append(Spell(length, outage.end is not None))
        for number, failed in enumerate(outage.failed):
            counted = Counted.YES if outage.end is not None else Counted.CENSORED
            rule = f"{reasons[failed.id]}; {outage.rule}"
            if number:
                counted, rule = Counted.APART, f"{reasons[failed.id]}; part of the one that began before it"
            evidence.append(
                Evidence(
                    failed.first_switched_at or failed.requested_at,
                    counted,
                    rule,
                    failed.service,
                    failed.environment,
                    failed.number,
                    failed.commit,
                    None if number else length,
                )
            )
    return _time_metric(MetricName.RECOVERY_TIME, spells, evidence, "failure", {})


def _time_metric(
    name: MetricName,
    spells: Sequence[Spell],
    evidence: Sequence[Evidence],
    noun: str,
    details: dict[str, float],
) -> Metric:
    over = sum(spell.over for spell in spells)
    value, interval, points = median_of(spells)
    # Of two values one is always "within 85 %": said only where there is enough for an interval.
    if interval is not None and (later := quantile(points, 0.85)) is not None:
        details["p85_seconds"] = later
    details |= {"running": len(spells) - over}
    raw = sorted((spell.duration, spell.over) for spell in spells) if interval is None else []
    return Metric(
        name=name,
        unit=Unit.SECONDS,
        value=value,
        interval=interval,
        n=len(spells),
        events=over,
        reason=_why_not_more(name, spells, noun, value),
        basis=_basis(name, spells, noun),
        raw=tuple(raw[:_SHOW_RAW]),
        details=details,
        evidence=tuple(sorted(evidence, key=lambda row: (row.at, row.deployment or 0))),
    )


def _why_not_more(name: MetricName, spells: Sequence[Spell], noun: str, value: float | None) -> str | None:
    if not spells:
        return {
            MetricName.LEAD_TIME: "no commit has reached production in this time",
            MetricName.RECOVERY_TIME: "no deployment failed in this time",
        }[name]
    if independent(spells) < enough():
        found = plural(len(spells), noun)
        if name is MetricName.LEAD_TIME:
            found = plural(_deliveries_in(spells), "deployment")
        return f"too little data: {found}, {enough()} needed for an interval"
    if value is None:
        return "not reached: more than half are still running"
    return None


def _basis(name: MetricName, spells: Sequence[Spell], noun: str) -> str:
    running = sum(not spell.over for spell in spells)
    if name is MetricName.LEAD_TIME:
        text = f"{plural(len(spells) - running, noun)} in {plural(_deliveries_in(spells), 'deployment')}"
        return text + (f", {running} still waiting" if running else "")
    return plural(len(spells), noun) + (f", {running} not over yet" if running else "")


def _deliveries_in(spells: Sequence[Spell]) -> int:
    return len({spell.cluster for spell in spells if spell.over})


@dataclass(frozen=True, slots=True)
class _Delivery:
    """A commit and the deployment that brought it for good; while it waits, the last one that had it, and why it waits."""

    commit: CommitFact
    fact: DeploymentFact
    waits: str | None = None


@dataclass(slots=True)
class _Pending:
    """What an environment's deployments brought and did not keep, by the commit that was deployed."""

    by_head: dict[str, list[DeploymentFact]] = field(default_factory=dict)
    commits: dict[str, tuple[CommitFact, DeploymentFact, str]] = field(default_factory=dict)

    def add(self, fact: DeploymentFact, why: str) -> None:
        self.by_head.setdefault(fact.commit, []).append(fact)
        for commit in fact.changes.commits or ():
            self.commits[commit.sha] = (commit, fact, why)

    def deliver(self, head: str | None) -> Iterator[CommitFact]:
        """What waited behind `head`: its deployments' commits, and those below in the commits they were based on."""
        while head is not None and head in self.by_head:
            deployments = self.by_head.pop(head)
            for fact in deployments:
                yield from fact.changes.commits or ()
            head = deployments[0].changes.base


def _deliveries(told: Sequence[Told]) -> Iterator[_Delivery]:
    pending: dict[tuple[str, str], _Pending] = {}
    delivered: set[tuple[str, str, str]] = set()
    for item in sorted(told, key=lambda item: item.fact.verified_at or item.fact.requested_at):
        fact = item.fact
        place = (fact.service, fact.environment)
        here = pending.setdefault(place, _Pending())
        if not item.is_good:
            here.add(fact, _why_not_delivered(item))
            continue
        own = fact.changes.commits or ()
        # What brings commits builds on its base, so it brings what waited there too; a way back does not.
        base = fact.changes.base if own else None
        for commit in (*own, *here.deliver(fact.commit), *here.deliver(base)):
            if (*place, commit.sha) not in delivered:
                delivered.add((*place, commit.sha))
                yield _Delivery(commit, fact)
    for place, rest in pending.items():
        for commit, last, why in rest.commits.values():
            if (*place, commit.sha) not in delivered:
                yield _Delivery(commit, last, why)


def _why_not_delivered(item: Told) -> str:
    if item.fact.state.is_final:
        return item.failure or "it was stopped before every host served it"
    return "it is not finished"


def _lead_time_row(delivery: _Delivery, window: Window) -> Evidence | None:
    commit, fact = delivery.commit, delivery.fact
    if delivery.waits is not None:
        age = _seconds(commit.committed_at, window.end)
        rule = f"waits: in deployment {fact.number}, {delivery.waits}"
        return Evidence(
            commit.committed_at,
            Counted.CENSORED,
            rule,
            fact.service,
            fact.environment,
            fact.number,
            commit.sha,
            age,
        )
    if not window.holds(fact.verified_at):
        return None
    assert fact.verified_at is not None
    taken = fact.verified_at - commit.committed_at
    rule = f"served and verified everywhere with deployment {fact.number}"
    if taken < timedelta():
        # Clocks of two machines; below zero there is no lead time.
        rule += f" (the committer's clock was {-taken.total_seconds():.0f} s ahead: taken as 0)"
    return Evidence(
        fact.verified_at,
        Counted.YES,
        rule,
        fact.service,
        fact.environment,
        fact.number,
        commit.sha,
        max(0.0, taken.total_seconds()),
    )


def _waiting_row(waiting: WaitingCommit, window: Window) -> Evidence:
    commit = waiting.commit
    return Evidence(
        at=commit.committed_at,
        counted=Counted.CENSORED,
        rule=f"waits: {waiting.why}",
        service=waiting.service,
        environment="",
        commit=commit.sha,
        value=_seconds(commit.committed_at, window.end),
    )


def _apart(fact: DeploymentFact, rule: str) -> Evidence:
    at = fact.verified_at or fact.first_switched_at or fact.requested_at
    return Evidence(at, Counted.APART, rule, fact.service, fact.environment, fact.number, fact.commit)


def _seconds(start: datetime, end: datetime) -> float:
    return max(0.0, (end - start).total_seconds())
