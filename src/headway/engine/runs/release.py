"""Which release a successful run makes, or why it makes none."""

from collections.abc import Sequence
from datetime import datetime

from headway.domain.contract import DeployKind, DeploySpec
from headway.domain.release import Artifact, Release
from headway.domain.run import Run, TriggerEvent
from headway.engine.releases.releases import artifacts_for_release, compose_release
from headway.engine.runs.plan import RunPlan


def release_of(
    run: Run, plan: RunPlan, made: Sequence[tuple[str, Artifact]], *, by: str, now: datetime
) -> tuple[Release | None, str]:
    """The release, or None and one clause why there is none (empty where nobody would expect one).

    `made` are the artifacts with the names of the jobs that made them, in the order of the jobs.
    """
    if not plan.deployable:
        return None, ""
    by_path: dict[str, tuple[str, Artifact]] = {}
    for job, artifact in made:
        before = by_path.setdefault(artifact.path, (job, artifact))
        if before[1] != artifact and plan.release_artifact in (None, artifact.path):
            return None, f"no release: '{before[0]}' and '{job}' made different files {artifact.path}"
    deploy = DeploySpec(
        kind=DeployKind.FILES if plan.release_artifact else DeployKind.SCRIPT,
        processes=(),
        artifact=plan.release_artifact,
    )
    artifacts = artifacts_for_release(deploy, [artifact for _, artifact in by_path.values()])
    if artifacts is None:
        missing = f"no release: no job made {plan.release_artifact}, which [deploy] names as its artifact"
        return None, "" if run.selection else missing
    if why_not := unfit(run):
        return None, f"no release: {why_not}"
    return compose_release(run, artifacts, by=by, now=now), ""


def unfit(run: Run) -> str:
    """Why this run may make none, whatever it made; empty where it may."""
    trigger = run.trigger
    if trigger is not None and trigger.event is TriggerEvent.TRY:
        return "somebody's working tree"
    if trigger is not None and trigger.pull_request is not None:
        return "a pull request, not yet merged"
    if run.dirty:
        return "the tree has uncommitted changes"
    # Else a release could go out that the jobs which nobody asked for would have stopped.
    return "not all jobs were asked for" if run.selection else ""
