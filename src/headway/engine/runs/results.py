"""What a job has left behind when its steps are done: artifacts and test reports, taken from its working copy."""

from dataclasses import dataclass, replace
from pathlib import Path

from headway.base.errors import Failed
from headway.base.stopping import StopSign
from headway.domain.contract import JobDefinition
from headway.domain.release import Artifact
from headway.domain.run import TestCase, TestSummary
from headway.domain.states import State
from headway.drivers.artifact_files import collect
from headway.drivers.artifacts import ArtifactMissing, ArtifactStore, TooManyFiles
from headway.engine.runs.kept_cases import KeptCases
from headway.wire.junit import Masked, add_summaries, read_junit

#: Files of one glob of reports; each may have 50,000 cases.
_MOST_REPORTS = 5_000


@dataclass(frozen=True, slots=True)
class Yield:
    """What was found, and what the job's state and reason are in its light."""

    state: State
    reason: str
    artifacts: tuple[Artifact, ...] = ()
    tests: TestSummary | None = None
    cases: tuple[TestCase, ...] = ()


def gather(
    store: ArtifactStore,
    work: Path,
    definition: JobDefinition,
    *,
    state: State,
    reason: str,
    masked: Masked,
    sign: StopSign,
) -> Yield:
    """Take what the definition names. Blocks, and looks at the sign at each file.

    Reports are read whatever came of the job, artifacts are kept only when it succeeded. What a succeeded job
    declares and did not make, or made so that it cannot be counted, fails it: a test report that is missing is no
    report of success. Nothing can make a job better than it was. Raises DiskFull, the artifact store's errors, Stopped.
    """
    found = Yield(state, reason)
    kept = KeptCases()
    for glob in definition.junit:
        found = _read_reports(found, kept, work, glob, masked, sign)
    if kept.left_out and found.tests is not None:
        told = f"of {found.tests.total:,} test cases {kept.left_out:,} are counted and not kept, or without their message"
        found = replace(found, reason=f"{found.reason}; {told}" if found.reason else told)
    found = replace(found, cases=tuple(kept.cases))
    if found.state is not State.SUCCEEDED:
        return found
    try:
        files = collect(work, definition.artifacts, sign)
    except ArtifactMissing as error:
        return replace(found, state=State.FAILED, reason=error.message)
    return replace(found, artifacts=tuple(store.keep(file.file, file.path, sign) for file in files))


def _read_reports(  # noqa: PLR0917  (into what, of where, how)
    found: Yield, kept: KeptCases, work: Path, glob: str, masked: Masked, sign: StopSign
) -> Yield:
    try:
        reports = collect(work, [glob], sign)
        if len(reports) > _MOST_REPORTS:
            raise TooManyFiles(f"more than {_MOST_REPORTS:,} files are there for the artifact '{glob}'")
    except ArtifactMissing as error:
        if found.state is not State.SUCCEEDED:
            return found
        return replace(
            found, state=State.FAILED, reason=error.message.replace("the artifact", "the test report")
        )
    for report in reports:
        sign.check()
        try:
            summary, cases = read_junit(report.file, report.path, masked)
        except Failed as error:
            if found.state is State.SUCCEEDED:
                found = replace(found, state=State.FAILED, reason=error.message)
            else:
                found = replace(found, reason=f"{found.reason}; {error.message}")
            continue
        found = replace(found, tests=add_summaries(*filter(None, (found.tests, summary))))
        kept.add(cases)
    return found
