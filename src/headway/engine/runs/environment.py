"""What a job finds: its environment, its working copy, what the jobs that it needs have left for it."""

import re
import shutil
from collections.abc import Iterable, Mapping, Set
from pathlib import Path

from headway.base.secret import Secret
from headway.base.stopping import Stopped, StopSign
from headway.domain.contract import JobDefinition
from headway.domain.job import JobSpec, StepSpec
from headway.domain.release import Artifact
from headway.domain.run import Job, Run
from headway.engine.runs.runs import Tools
from headway.engine.settings import Settings

_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9]+")


def job_environment(
    run: Run,
    job: Job,
    definition: JobDefinition,
    needed: Iterable[Job],
    passed: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The job's variables, the later ones before `passed`; none of ours is unset, so that a step under `sh -eu` may ask for it."""
    outputs = {
        f"NEEDS_{variable(other.name)}_{variable(key)}": value
        for other in needed
        for key, value in other.outputs.items()
    }
    matrix = {f"MATRIX_{variable(axis)}": value for axis, value in job.matrix.items()}
    trigger = run.trigger
    given = {f"PARAMETER_{name.upper()}": value for name, value in run.parameters.items()}
    ours = {
        "HEADWAY": "1",
        "HEADWAY_SERVICE": run.service,
        "HEADWAY_COMMIT": run.commit,
        "HEADWAY_BRANCH": run.branch or "",
        "HEADWAY_TAG": run.tag or "",
        "HEADWAY_DIRTY": "1" if run.dirty else "",
        "HEADWAY_RUN": str(run.number),
        "HEADWAY_JOB": job.name,
        "HEADWAY_ATTEMPT": str(job.attempt),
        "HEADWAY_EVENT": trigger.event if trigger else "",
        "HEADWAY_PULL_REQUEST": str(trigger.pull_request or "") if trigger else "",
    }
    return dict(passed or {}) | {"CI": "true"} | outputs | matrix | dict(definition.env) | given | ours


def passed_variables(definition: JobDefinition, settings: Settings) -> dict[str, str]:
    """What the job's `pass_env` names, as far as it is set and may be handed out here."""
    allowed = settings.job_variables
    kept = () if allowed is None else withheld(definition, allowed)
    names = [name for name in definition.pass_env if name not in kept]
    return {name: settings.environment[name] for name in names if name in settings.environment}


def withheld_note(definition: JobDefinition, settings: Settings) -> str:
    """One line for the job's log about what its `pass_env` names in vain here; empty: nothing."""
    allowed = settings.job_variables
    if allowed is None or not (names := withheld(definition, allowed)):
        return ""
    return (
        f"headway: pass_env: this server does not hand out {', '.join(names)}; "
        "its HEADWAY_JOB_VARIABLES names what it does\n"
    )


def withheld(definition: JobDefinition, allowed: Set[str]) -> list[str]:
    """What its `pass_env` names beside what may be handed out."""
    return [name for name in definition.pass_env if name not in allowed]


def variable(text: str) -> str:
    """`test (python=3.12)` as a part of a variable's name: `TEST_PYTHON_3_12`."""
    return _NOT_IN_A_NAME.sub("_", text).strip("_").upper()


def job_spec(
    directory: Path, definition: JobDefinition, environment: Mapping[str, str], secrets: Iterable[Secret]
) -> JobSpec:
    return JobSpec(
        directory=str(directory),
        working_directory=str(directory / "work"),
        steps=tuple(
            StepSpec(
                name=step.name,
                script=step.run,
                shell=step.shell or definition.shell,
                env=step.env,
                working_directory=step.working_directory or definition.working_directory,
            )
            for step in definition.steps
        ),
        env=environment,
        secrets=tuple(secrets),
        timeout=definition.timeout,
        idle_timeout=definition.idle_timeout,
        output_limit=definition.output_limit,
    )


def lay_out(
    tools: Tools, run: Run, directory: Path, artifacts: Iterable[Artifact], sign: StopSign
) -> tuple[str, ...]:
    """The job's own copy of the run's tree at `directory/work`, with these artifacts at their paths. Blocks.

    It gets its name when it is whole, and one that stands is never touched again: the job may have started in it.
    Answers with warnings. Raises the errors of git and of the artifact store, and Stopped by the sign.
    """
    work, unfinished = directory / "work", directory / "work.new"
    if work.exists():
        return ()
    # Its own, and what git's driver was about to fill when it was killed.
    for left in (unfinished, *directory.glob(f".{unfinished.name}.*")):
        shutil.rmtree(left, ignore_errors=True)
    # A stranger's branch is none of this repository: its copy stands on no branch.
    branch = None if run.trigger and run.trigger.fork else run.branch
    try:
        warnings = tools.git.checkout(
            run.repository,
            commit=run.commit,
            tree=run.tree,
            branch=branch,
            destination=unfinished,
            check=sign.check,
        )
        for artifact in artifacts:
            tools.artifacts.lay(artifact, unfinished, sign)
        sign.check()
    except Stopped:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    unfinished.rename(work)
    return warnings
