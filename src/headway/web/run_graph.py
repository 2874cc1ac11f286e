"""The graph of a run's jobs as boxes and lines with coordinates, left to right: what the page draws as SVG.

Jobs of one definition stand in one column under each other; more than `MOST_SINGLE` of them are one box that counts.
The longest chain by time is marked: it is what the run's duration is made of.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from headway.domain.run import Job
from headway.domain.states import State

#: Jobs of one definition that are drawn one by one, and of the whole run.
MOST_SINGLE = 12
MOST_BOXES = 60
_HEIGHT, _GAP, _GROUP_GAP = 32, 6, 14
_COLUMN_GAP = 44
_MARGIN = 6
#: Width of a letter, what stands beside the name (icon, duration), and the bounds.
_LETTER, _BESIDE, _NARROWEST, _WIDEST = 7.4, 104, 150, 270
_WORST = (
    State.FAILED,
    State.ERRORED,
    State.RUNNING,
    State.QUEUED,
    State.CANCELLED,
    State.SUCCEEDED,
    State.SKIPPED,
)


@dataclass(frozen=True, slots=True)
class Box:
    """A job, or all jobs of a definition."""

    #: The job's name, or the definition's.
    name: str
    #: What fits into the box.
    label: str
    state: State
    jobs: tuple[Job, ...]
    x: int
    y: int
    width: int
    #: On the longest chain.
    strong: bool
    #: None until it began.
    took: timedelta | None
    #: Since when it runs; None when it does not.
    since: datetime | None

    @property
    def is_folded(self) -> bool:
        return len(self.jobs) > 1

    @property
    def counts(self) -> str:
        """`250 succeeded, 6 failed` of a folded one."""
        counted = Counter(job.state for job in self.jobs)
        return ", ".join(f"{counted[state]} {state}" for state in _WORST if counted[state])


@dataclass(frozen=True, slots=True)
class Line:
    """From one column of jobs to the next; `path` is SVG's."""

    path: str
    strong: bool


@dataclass(frozen=True, slots=True)
class Graph:
    width: int
    height: int
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class _Group:
    definition: str
    jobs: tuple[Job, ...]
    needs: tuple[str, ...]


def draw(jobs: Sequence[Job], now: datetime) -> Graph:
    """The whole picture. `jobs` come in an order in which each stands after its needs."""
    groups = _groups(jobs)
    depth = _depths(groups)
    strong = _longest_chain(groups, depth, now)
    folds = len(jobs) > MOST_BOXES
    columns: dict[int, list[_Group]] = {}
    for group in groups.values():
        columns.setdefault(depth[group.definition], []).append(group)
    boxes: list[Box] = []
    sides: dict[str, tuple[int, int, int]] = {}
    x = height = _MARGIN
    for column in sorted(columns):
        y, width = _MARGIN, _width(columns[column])
        for group in columns[column]:
            made = _stacked(group, x, y, width, strong=strong, folds=folds, now=now)
            boxes += made
            bottom = made[-1].y + _HEIGHT
            sides[group.definition] = (x, x + width, (y + bottom) // 2)
            y = bottom + _GROUP_GAP
        height = max(height, y - _GROUP_GAP)
        x += width + _COLUMN_GAP
    lines = [
        _line(sides[need], sides[group.definition], strong={need, group.definition} <= strong)
        for group in groups.values()
        for need in group.needs
    ]
    return Graph(x - _COLUMN_GAP + _MARGIN if boxes else 0, height + _MARGIN, tuple(boxes), tuple(lines))


def _groups(jobs: Sequence[Job]) -> dict[str, _Group]:
    names = {job.definition for job in jobs}
    found: dict[str, list[Job]] = {}
    for job in jobs:
        found.setdefault(job.definition, []).append(job)
    return {
        name: _Group(name, tuple(of_it), tuple(need for need in of_it[0].needs if need in names))
        for name, of_it in found.items()
    }


def _depths(groups: Mapping[str, _Group]) -> dict[str, int]:
    """The column of each: right of all that it needs."""
    depth: dict[str, int] = {}
    for name, group in groups.items():
        depth[name] = max((depth[need] + 1 for need in group.needs if need in depth), default=0)
    return depth


def _longest_chain(groups: Mapping[str, _Group], depth: Mapping[str, int], now: datetime) -> frozenset[str]:
    """The definitions on the chain that takes longest; empty for a single column, which says nothing."""
    ends: dict[str, float] = {}
    before: dict[str, str | None] = {}
    for name, group in groups.items():
        needed = [need for need in group.needs if need in ends]
        came = max(needed, key=lambda need: ends[need], default=None)
        longest = max((took.total_seconds() for job in group.jobs if (took := _took(job, now))), default=0.0)
        ends[name] = longest + (ends[came] if came else 0.0)
        before[name] = came
    chain: list[str] = []
    last = max(ends, key=lambda name: (ends[name], depth[name]), default=None)
    while last is not None:
        chain.append(last)
        last = before[last]
    return frozenset(chain) if len(chain) > 1 else frozenset()


def _took(job: Job, now: datetime) -> timedelta | None:
    if job.started_at is None:
        return None
    return max(timedelta(), (job.finished_at or now) - job.started_at)


def _width(groups: Sequence[_Group]) -> int:
    longest = max(len(job.name) for group in groups for job in group.jobs)
    return round(min(max(longest * _LETTER + _BESIDE, _NARROWEST), _WIDEST))


def _stacked(
    group: _Group, x: int, y: int, width: int, *, strong: frozenset[str], folds: bool, now: datetime
) -> list[Box]:
    is_one = len(group.jobs) > 1 and (folds or len(group.jobs) > MOST_SINGLE)
    parts = [group.jobs] if is_one else [(job,) for job in group.jobs]
    return [
        _box(
            group.definition if is_one else part[0].name,
            part,
            place=(x, y + index * (_HEIGHT + _GAP), width),
            strong=group.definition in strong,
            now=now,
        )
        for index, part in enumerate(parts)
    ]


def _box(
    name: str, jobs: tuple[Job, ...], *, place: tuple[int, int, int], strong: bool, now: datetime
) -> Box:
    x, y, width = place
    label = f"{name} × {len(jobs)}" if len(jobs) > 1 else name
    room = int((width - _BESIDE) / _LETTER) + 1
    took = [one for job in jobs if (one := _took(job, now)) is not None]
    running = [job.started_at for job in jobs if job.state is State.RUNNING and job.started_at]
    return Box(
        name=name,
        label=label if len(label) <= room else label[: room - 1] + "…",
        state=next(state for state in _WORST if any(job.state is state for job in jobs)),
        jobs=jobs,
        x=x,
        y=y,
        width=width,
        strong=strong,
        took=max(took, default=None),
        since=min(running, default=None),
    )


def _line(start: tuple[int, int, int], end: tuple[int, int, int], *, strong: bool) -> Line:
    (_, from_x, from_y), (to_x, _, to_y) = start, end
    bend = max(18, (to_x - from_x) // 2)
    return Line(f"M{from_x} {from_y}C{from_x + bend} {from_y} {to_x - bend} {to_y} {to_x} {to_y}", strong)
