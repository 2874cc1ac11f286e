"""The three metrics that are counts: deployment frequency, change fail rate, deployment rework rate."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from headway.base.durations import format_duration
from headway.domain.deployment import DeploymentKind, DeploymentState
from headway.dora.history import HORIZON, Told, own_failure
from headway.dora.intervals import garwood, wilson
from headway.dora.metric import Counted, Evidence, Metric, MetricName, Unit, Window, plural
from headway.dora.survival import Spell, kaplan_meier, quantile

WEEK = timedelta(weeks=1)
K, S = DeploymentKind, DeploymentState

_FAIL_RATE_DETAILS = ("not_mature", "not_mature_failed", "stopped_before", "redeploys", "redeploys_failed")


def frequency(told: Sequence[Told], window: Window, watched_since: datetime | None) -> Metric:
    """Deployments that succeeded, a week: new releases and hotfixes. Everything else is shown apart.

    The time counts from `watched_since`, the first thing Headway knows, when that lies within the window:
    weeks before it were not without deployments, they were not watched.
    """
    evidence = []
    counted: list[datetime] = []
    details: dict[str, float] = {"rollbacks": 0, "redeploys": 0, "not_succeeded": 0, "unfinished": 0}
    for item in told:
        at = item.fact.verified_at or item.fact.finished_at or item.fact.requested_at
        if not window.holds(at):
            continue
        apart = _apart_from_frequency(item)
        if apart is None:
            counted.append(at)
            evidence.append(_row(item, at, Counted.YES, "succeeded"))
        else:
            details[apart[0]] += 1
            evidence.append(_row(item, at, Counted.APART, apart[1]))
    start = max(window.start, watched_since) if watched_since is not None else window.end
    watched = window.end - start
    basis = f"{plural(len(counted), 'deployment')} in {format_duration(watched)}"
    value = interval = reason = None
    if watched_since is None:
        reason = "no deployment to production is known"
    elif watched < WEEK:
        reason = f"too little data: watched for {format_duration(watched)}, a week needed for a weekly rate"
        # The count has its exact interval all the same; only stretching it over a week would be made up.
        count = garwood(len(counted), 1.0)
        details |= {"count_low": count.low, "count_high": count.high}
    else:
        weeks = watched / WEEK
        value, interval = len(counted) / weeks, garwood(len(counted), weeks)
        details |= _rhythm(sorted(counted), start, window.end)
    return Metric(
        MetricName.FREQUENCY,
        Unit.PER_WEEK,
        value,
        interval,
        len(counted),
        len(counted),
        reason,
        basis,
        details=details,
        evidence=tuple(evidence),
    )


def _apart_from_frequency(item: Told) -> tuple[str, str] | None:
    """Under which name it is counted apart, and why; None when it counts."""
    if item.fact.kind is K.ROLLBACK:
        return "rollbacks", "a rollback brings nothing new"
    if item.fact.kind is K.REDEPLOY:
        return "redeploys", "the release that was live already"
    if item.fact.state is S.SUCCEEDED:
        return None
    if not item.fact.state.is_final:
        return "unfinished", "not finished"
    if item.fact.first_switched_at is None:
        return "not_succeeded", "stopped before any host was switched"
    return "not_succeeded", item.failure or "stopped before every host served it"


def _rhythm(times: Sequence[datetime], start: datetime, end: datetime) -> dict[str, float]:
    """The median gap (with the running one as longer than so far), and how unevenly the weeks are filled.

    `dispersion` is the variance over the mean of whole weeks' counts: about 1 when chance alone spreads them.
    """
    details: dict[str, float] = {}
    if times:
        gaps = [Spell((later - sooner).total_seconds()) for sooner, later in pairwise(times)]
        gaps.append(Spell((end - times[-1]).total_seconds(), over=False))
        if (median := quantile(kaplan_meier(gaps), 0.5)) is not None:
            details["median_gap_seconds"] = median
    whole = [count for count, share in weekly(times, start, end) if share >= 1]
    if len(whole) > 1 and any(whole):
        mean = sum(whole) / len(whole)
        squares = [(count - mean) ** 2 for count in whole]
        details["dispersion"] = sum(squares) / (len(whole) - 1) / mean
    return details


def weekly(times: Sequence[datetime], start: datetime, end: datetime) -> list[tuple[int, float]]:
    """Counts of each week up to `end`, oldest first, with the share of that week which was watched."""
    if end <= start:
        return []
    weeks = -(-(end - start) // WEEK)
    counts = [0] * weeks
    for time in times:
        if start <= time <= end:
            counts[min(weeks - 1, (end - time) // WEEK)] += 1
    first = (end - start - (weeks - 1) * WEEK) / WEEK
    return [
        (count, first if number == weeks - 1 else 1.0) for number, count in reversed(list(enumerate(counts)))
    ]


def fail_rate(told: Sequence[Told], window: Window) -> Metric:
    """The share that failed of mature deployments which brought something new and switched at least one host.

    Mature is 72 h old or superseded, whatever came of it: counting failures sooner than successes would tell
    too many. Those stopped before a host was switched never met a user, and are shown apart.
    """
    evidence = []
    details: dict[str, float] = dict.fromkeys(_FAIL_RATE_DETAILS, 0)
    n = events = 0
    for item in _switched_or_requested(told, window):
        at = item.fact.first_switched_at or item.fact.requested_at
        if item.fact.first_switched_at is None:
            if item.fact.state.is_final and item.is_change:
                details["stopped_before"] += 1
                evidence.append(_row(item, at, Counted.APART, "stopped before any host was switched"))
        elif item.fact.kind is K.REDEPLOY:
            details["redeploys"] += 1
            details["redeploys_failed"] += item.failure is not None
            evidence.append(_row(item, at, Counted.APART, f"a redeploy; {item.failure or 'did not fail'}"))
        elif not item.is_change:
            continue
        elif not item.is_mature(window.end):
            details["not_mature"] += 1
            details["not_mature_failed"] += item.failure is not None
            hours = HORIZON // timedelta(hours=1)
            rule = f"younger than {hours} h and not superseded; so far: {item.failure or 'no failure'}"
            evidence.append(_row(item, at, Counted.APART, rule))
        else:
            n, events = n + 1, events + (item.failure is not None)
            rule = item.failure or f"no failure, {_why_mature(item)}"
            evidence.append(_row(item, at, Counted.YES if item.failure else Counted.WITHOUT, rule))
    basis = f"{events} of {plural(n, 'mature deployment')}"
    reason = None if n else "too little data: no deployment is mature (72 h old or superseded)"
    return _share(MetricName.FAIL_RATE, (events, n), reason, basis, details, evidence)


def rework_rate(told: Sequence[Told], window: Window) -> Metric:
    """The share of hotfixes, and of first successes after one was taken back, among deployments of new releases."""
    evidence = []
    n = events = 0
    # In each environment: the number of what was taken back and is not yet followed by a success.
    taken_back: dict[tuple[str, str], str] = {}
    for item in told:
        fact, place = item.fact, (item.fact.service, item.fact.environment)
        if fact.first_switched_at is None:
            continue
        rule = "a hotfix" if fact.kind is K.HOTFIX else None
        if item.is_change and fact.state is S.SUCCEEDED and place in taken_back:
            after = taken_back.pop(place)
            rule = rule or f"the first success after {after}"
        if item.took_back:
            taken_back[place] = f"rollback {fact.number}"
        elif fact.kind is not K.ROLLBACK and own_failure(fact) is not None:
            # By itself, at its own end. What a later rollback takes back is followed by what comes after that rollback.
            taken_back[place] = f"deployment {fact.number} was taken back"
        if item.is_change and window.holds(fact.first_switched_at):
            n, events = n + 1, events + (rule is not None)
            counted = Counted.YES if rule else Counted.WITHOUT
            evidence.append(_row(item, fact.first_switched_at, counted, rule or "planned"))
    basis = f"{events} of {plural(n, 'deployment')}"
    reason = None if n else "no deployment has reached production in this time"
    return _share(MetricName.REWORK_RATE, (events, n), reason, basis, {}, evidence)


def _switched_or_requested(told: Sequence[Told], window: Window) -> list[Told]:
    return [item for item in told if window.holds(item.fact.first_switched_at or item.fact.requested_at)]


def _why_mature(item: Told) -> str:
    if item.superseded_by is not None:
        return f"superseded by deployment {item.superseded_by.number}"
    return "72 h old"


def _share(  # noqa: PLR0917
    name: MetricName,
    share: tuple[int, int],
    reason: str | None,
    basis: str,
    details: dict[str, float],
    evidence: Sequence[Evidence],
) -> Metric:
    events, n = share
    return Metric(
        name=name,
        unit=Unit.SHARE,
        value=events / n if n else None,
        interval=wilson(events, n) if n else None,
        n=n,
        events=events,
        reason=reason,
        basis=basis,
        details=details,
        evidence=tuple(evidence),
    )


def _row(item: Told, at: datetime, counted: Counted, rule: str) -> Evidence:
    fact = item.fact
    return Evidence(at, counted, rule, fact.service, fact.environment, fact.number, fact.commit)
