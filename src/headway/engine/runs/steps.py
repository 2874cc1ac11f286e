"""The steps of one attempt, from the marks in its output: when each began and ended, and where in the log."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from headway.domain.contract import JobDefinition
from headway.domain.job import JobResult, StepMark
from headway.domain.run import Job, Step
from headway.domain.states import State


class StepLedger:
    """Rows for the steps of an attempt. Times come from the builder's own clock, counted from the first mark."""

    def __init__(self, job: Job, definition: JobDefinition, stored: Sequence[Step] = ()) -> None:
        """`stored` are the rows that an owner before us wrote."""
        self._job = job
        self._definition = definition
        self._steps = {step.index: step for step in stored}
        self._changed: set[int] = set()

    def mark(self, mark: StepMark, *, place: int, now: datetime) -> None:
        """A step began or ended, at this place of the masked log."""
        step = self._steps.get(mark.index) or self._new(mark.index)
        at = self._instant(mark.uptime, now)
        if mark.exit_code is None:
            step = replace(step, state=State.RUNNING, started_at=at, uptime=mark.uptime, log_start=place)
        else:
            state = State.SUCCEEDED if mark.exit_code == 0 else State.FAILED
            step = replace(step, state=state, exit_code=mark.exit_code, finished_at=at, log_end=place)
        self._steps[mark.index] = step
        self._changed.add(mark.index)

    def end(self, result: JobResult, *, place: int, now: datetime) -> None:
        """The attempt has ended: every step of its definition has a row and none is left running."""
        told = {step.index: step for step in result.steps}
        for index in range(1, len(self._definition.steps) + 1):
            step = self._steps.get(index) or self._new(index)
            if index in told:
                step = replace(step, state=told[index].state, exit_code=told[index].exit_code)
            elif step.state is State.RUNNING:
                # Lost with its runner, or stopped with it: it shares the attempt's end.
                step = replace(step, state=result.state)
            elif not step.state.is_final:
                step = replace(step, state=State.SKIPPED)
            if step.started_at is not None and step.finished_at is None:
                step = replace(step, finished_at=max(now, step.started_at), log_end=place)
            self._steps[index] = step
            self._changed.add(index)

    def changed(self) -> tuple[Step, ...]:
        """Rows that differ from what was asked for the last time."""
        found = tuple(self._steps[index] for index in sorted(self._changed))
        self._changed.clear()
        return found

    def name(self, index: int) -> str:
        steps = self._definition.steps
        return steps[index - 1].name if 0 < index <= len(steps) else f"step {index}"

    def reason(self, result: JobResult) -> str:
        """The result's reason with the step's name in place of its number."""
        for step in result.steps:
            numbered = f" in step {step.index}"
            if step.state is not State.SUCCEEDED and result.reason.endswith(numbered):
                return f"{result.reason.removesuffix(numbered)} in '{self.name(step.index)}'"
        return result.reason

    def _new(self, index: int) -> Step:
        return Step(self._job.id, self._job.attempt, index, self.name(index), State.QUEUED, None, None, None)

    def _instant(self, uptime: float, now: datetime) -> datetime:
        """The first mark that we meet is now; all others lie as far from it as the builder's clock says."""
        for step in self._steps.values():
            if step.uptime is not None and step.started_at is not None:
                return step.started_at + timedelta(seconds=max(0.0, uptime - step.uptime))
        return now
