"""From a contract to the jobs of one run: which there are, in which order, and which are skipped from the start."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from headway.base.near import nearest
from headway.domain.contract import JobDefinition
from headway.pipeline.graph import find_cycle, in_order, with_needs
from headway.pipeline.matrix import count, expand
from headway.pipeline.when import WhenFacts, evaluate, parse_when

#: A run of more jobs is an error, never a silent cut.
MOST_JOBS = 1000


@dataclass(frozen=True, slots=True)
class PlannedJob:
    """A job of the run to be. `skipped` is the reason for which it will not run, None when it may."""

    name: str
    definition: str
    matrix: Mapping[str, str]
    #: Names of definitions.
    needs: tuple[str, ...]
    allow_failure: bool
    skipped: str | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, where: a key path of headway.toml, or the option that was given."""

    place: str
    message: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Jobs in an order in which each comes after its needs; with any fault there are no jobs."""

    jobs: tuple[PlannedJob, ...] = ()
    faults: tuple[Fault, ...] = ()


def plan(definitions: Mapping[str, JobDefinition], facts: WhenFacts, only: Collection[str] = ()) -> Plan:
    """All jobs of the definitions, or those named in `only` with all that they need; all faults at once.

    `facts` decide what is skipped by its `when`. A name in `only` is a definition's (all of its matrix) or one
    job's, `test (python=3.12)`.
    """
    faults = _graph_faults(definitions)
    if faults:
        return Plan(faults=tuple(faults))
    chosen, faults = _choose(definitions, only)
    total = sum(count(definitions[name]) for name in chosen)
    if total > MOST_JOBS and not faults:
        largest = max(chosen, key=lambda name: count(definitions[name]))
        faults.append(
            Fault(
                f"jobs.{largest}.matrix" if definitions[largest].matrix else "jobs",
                f"this makes a run of {total:,} jobs; {MOST_JOBS:,} is the most"
                f" ('{largest}' alone makes {count(definitions[largest]):,})",
            )
        )
    if total == 0 and not faults:
        faults.append(Fault("jobs", "there is no job to run"))
    if faults:
        return Plan(faults=tuple(faults))
    jobs = []
    for name in in_order({name: definition.needs for name, definition in definitions.items()}):
        if name in chosen:
            singles = chosen[name]
            jobs += [job for job in _jobs(definitions[name], facts) if singles is None or job.name in singles]
    return Plan(jobs=tuple(jobs))


def _graph_faults(definitions: Mapping[str, JobDefinition]) -> list[Fault]:
    faults = [
        Fault(f"jobs.{name}.needs", f"'{need}' is no job{meant(need, definitions)}")
        for name, definition in definitions.items()
        for need in definition.needs
        if need not in definitions
    ]
    cycle = find_cycle({name: definition.needs for name, definition in definitions.items()})
    if cycle is not None:
        faults.append(Fault(f"jobs.{cycle[0]}.needs", f"these jobs wait for each other: {' → '.join(cycle)}"))
    return faults


def _choose(
    definitions: Mapping[str, JobDefinition], only: Collection[str]
) -> tuple[dict[str, frozenset[str] | None], list[Fault]]:
    """Definition -> the names of its jobs that were chosen, None for all; and the names that nobody has."""
    if not only:
        return dict.fromkeys(definitions), []
    singles: dict[str, set[str]] = {}
    whole: set[str] = set()
    faults: list[Fault] = []
    for name in only:
        definition = name.split(" (", 1)[0]
        if name in definitions:
            whole.add(name)
        elif definition in definitions and count(definitions[definition]) <= MOST_JOBS:
            variants = [variant.name for variant in expand(definitions[definition])]
            if name in variants:
                singles.setdefault(definition, set()).add(name)
            else:
                faults.append(Fault("--job", f"'{name}' is no job{meant(name, variants)}"))
        else:
            faults.append(Fault("--job", f"'{name}' is no job{meant(name, definitions)}"))
    needs = {name: definition.needs for name, definition in definitions.items()}
    needed = with_needs((need for name in singles for need in needs[name]), needs) | with_needs(whole, needs)
    chosen: dict[str, frozenset[str] | None] = dict.fromkeys(needed)
    chosen.update({name: frozenset(names) for name, names in singles.items() if name not in needed})
    return chosen, faults


def meant(name: str, known: Collection[str]) -> str:
    """`; did you mean 'test'?` where a known name is near, else the names there are."""
    if near := nearest(name, known):
        return f"; did you mean '{near}'?"
    return f"; there are {_listed(list(known))}" if known else "; there are none"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:10])
    return shown + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def _jobs(definition: JobDefinition, facts: WhenFacts) -> list[PlannedJob]:
    skipped = None
    if definition.when is not None:
        verdict = evaluate(parse_when(definition.when), facts)
        if not verdict.value:
            skipped = f"when {definition.when}: {verdict.reason}"
    return [
        PlannedJob(
            name=variant.name,
            definition=definition.name,
            matrix=variant.values,
            needs=definition.needs,
            allow_failure=definition.allow_failure,
            skipped=skipped,
        )
        for variant in expand(definition)
    ]
