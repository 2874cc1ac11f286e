"""Faults of meaning in `[jobs]`: needs, cycles, matrices, conditions, secrets."""

import re
from collections.abc import Iterator

from headway.base.globs import Unreadable, read_path_glob
from headway.domain.when import WhenInvalid, parse_when
from headway.wire.strict.faults import Path, Problem, show, unknown
from headway.wire.strict.raw import Table, cycles, table, tables, text, texts, twice

#: A matrix or a run of more jobs is an error, never a silent cut.
MOST_JOBS = 1000
#: Characters of a value of a matrix, of the name that its longest values make (people read and type it), and of what a
#: run keeps of all its jobs: each has its own name, values and needs, so that a short file could make a run of 100 MB.
LONGEST_VALUE, LONGEST_JOB_NAME, MOST_OF_ALL_JOBS = 200, 500, 4_000_000
#: Jobs beyond which nobody asks how many they are.
_UNCOUNTED = 1_000_000


def job_problems(document: Table) -> Iterator[Problem]:
    jobs = tables(document, "jobs")
    names = table(document, "jobs")
    for name, job in jobs.items():
        path = ("jobs", name)
        yield from _needs(path, name, job, names)
        yield from _matrix(path, job)
        yield from condition_problems((*path, "when"), text(job, "when"))
        yield from secret_problems(path, job)
        yield from _passed_problems(path, job)
        yield from twice(job.get("artifacts"), (*path, "artifacts"))
        yield from _globs(job.get("artifacts"), (*path, "artifacts"))
        yield from _globs(table(job, "reports").get("junit"), (*path, "reports", "junit"))
    yield from _cycles(jobs)
    yield from _too_many(jobs)
    yield from _too_much(jobs)


def _needs(path: Path, name: str, job: Table, names: Table) -> Iterator[Problem]:
    for place, need in texts(job.get("needs"), (*path, "needs")):
        if need not in names:
            others = [other for other in names if other != name]
            yield unknown(place, need, "no job", others, none="there is no other job")
    yield from twice(job.get("needs"), (*path, "needs"))


def _globs(value: object, path: Path) -> Iterator[Problem]:
    for place, glob in texts(value, path):
        try:
            read_path_glob(glob)
        except Unreadable as error:
            message = f"{show(glob)} is no glob of files: {error}"
            yield Problem(place, message, show(glob), "such as 'dist/*.whl' or 'out/**/*.log'")


def _passed_problems(path: Path, job: Table) -> Iterator[Problem]:
    """What `env` or `secrets` gives does not come from the caller as well."""
    yield from twice(job.get("pass_env"), (*path, "pass_env"))
    given = dict.fromkeys(table(job, "env"), "env")
    given |= {name: "secrets" for _, name in texts(job.get("secrets"), ())}
    for place, name in texts(job.get("pass_env"), (*path, "pass_env")):
        if name in given:
            yield Problem(
                place, f"'{name}' stands in {given[name]} as well; it is one or the other", show(name)
            )


def _cycles(jobs: dict[str, Table]) -> Iterator[Problem]:
    arrows = {name: [need for _, need in texts(job.get("needs"), ())] for name, job in jobs.items()}
    for cycle in cycles(arrows):
        message = f"the jobs wait for one another: {' → '.join(cycle)}"
        last = cycle[-2]
        place = next(
            place for place, need in texts(jobs[last]["needs"], ("jobs", last, "needs")) if need == cycle[-1]
        )
        yield Problem(place, message, " → ".join(cycle), "needs without a cycle")


def matrix_size(job: Table) -> int:
    """How many jobs a matrix makes, up to _UNCOUNTED; what has the wrong shape counts as one value.

    A few thousand axes make a number whose digits alone are more than Python writes down.
    """
    size = 1
    for values in table(job, "matrix").values():
        size = min(size * len(values) if isinstance(values, list) else size, _UNCOUNTED)
    return size


def _matrix(path: Path, job: Table) -> Iterator[Problem]:
    size = matrix_size(job)
    if size > MOST_JOBS:
        jobs = f"{size} jobs or more" if size == _UNCOUNTED else f"{size} jobs"
        yield Problem(
            (*path, "matrix"),
            f"makes {jobs}; allowed are up to {MOST_JOBS}",
            jobs,
            f"up to {MOST_JOBS}",
        )
    name = _longest_name(path[-1], job)
    if name > LONGEST_JOB_NAME and size <= MOST_JOBS:
        yield Problem(
            (*path, "matrix"),
            f"makes names of {name:,} characters; allowed are up to {LONGEST_JOB_NAME}",
            f"{name} characters",
            f"up to {LONGEST_JOB_NAME}",
            at_key=True,
        )
    capitals: dict[str, str] = {}
    for axis, values in table(job, "matrix").items():
        place = (*path, "matrix", axis)
        yield from twice(values, place)
        for at, value in texts(values, place):
            if len(value) > LONGEST_VALUE:
                yield Problem(
                    at,
                    f"has {len(value):,} characters; a value of a matrix has up to {LONGEST_VALUE}",
                    show(value),
                    f"up to {LONGEST_VALUE} characters",
                )
        # As the steps' environment makes a variable of it.
        variable = f"MATRIX_{re.sub('[^A-Za-z0-9]+', '_', axis).strip('_').upper()}"
        other = capitals.setdefault(variable, axis)
        if other != axis:
            message = f"{show(other)} and {show(axis)} would both arrive as {variable}"
            yield Problem(place, message, show(axis), "axes that differ", at_key=True)


def _longest_name(name: object, job: Table) -> int:
    """Characters of the longest name that a job of this definition gets: `test (os=debian, python=3.12)`."""
    axes = [
        len(axis) + len(", =") + max((len(value) for _, value in texts(values, ())), default=0)
        for axis, values in table(job, "matrix").items()
    ]
    return len(str(name)) + sum(axes) + (1 if axes else 0)


def _too_much(jobs: dict[str, Table]) -> Iterator[Problem]:
    if sum(map(matrix_size, jobs.values())) > MOST_JOBS:
        return  # It is said already, and the number would be anybody's guess.
    size = 0
    for name, job in jobs.items():
        needs = sum(len(need) for _, need in texts(job.get("needs"), ()))
        # A condition is part of the reason why a job is skipped.
        each = 2 * _longest_name(name, job) + needs + 2 * len(text(job, "when") or "")
        size += matrix_size(job) * each
    if size > MOST_OF_ALL_JOBS:
        yield Problem(
            ("jobs",),
            f"a run would keep {size:,} characters of its jobs' names, values, needs and conditions; "
            f"allowed are up to {MOST_OF_ALL_JOBS:,}",
            f"{size:,} characters",
            f"up to {MOST_OF_ALL_JOBS:,}",
            at_key=True,
        )


def _too_many(jobs: dict[str, Table]) -> Iterator[Problem]:
    sizes = [matrix_size(job) for job in jobs.values()]
    if sum(sizes) > MOST_JOBS >= max(sizes):
        yield Problem(
            ("jobs",),
            f"a run would have {sum(sizes)} jobs; allowed are up to {MOST_JOBS}",
            f"{sum(sizes)} jobs",
            f"up to {MOST_JOBS}",
            at_key=True,
        )


def condition_problems(path: Path, condition: str | None) -> Iterator[Problem]:
    """What is wrong with a `when`; the column inside of it is part of the message."""
    if condition is None or not condition.strip():
        return
    try:
        parse_when(condition)
    except WhenInvalid as error:
        yield Problem(path, error.message, show(condition), error.allowed, error.near, character=error.column)


def secret_problems(path: Path, holder: Table) -> Iterator[Problem]:
    """A secret that is named twice, or that `env` gives in the open as well."""
    yield from twice(holder.get("secrets"), (*path, "secrets"))
    in_the_open = table(holder, "env")
    for place, name in texts(holder.get("secrets"), (*path, "secrets")):
        if name in in_the_open:
            yield Problem(place, f"'{name}' stands in env as well; it is one or the other", show(name))
