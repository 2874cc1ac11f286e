"""Holding a run: renewing the claim, noticing that it was taken over, hearing of somebody's wish that it stop."""

from collections.abc import Callable

from headway.base.errors import Errored
from headway.domain.run import Run
from headway.engine.runs.runs import KIND, LEASE, Tools
from headway.store import owners, runs
from headway.store.errors import DatabaseUnavailable

#: Seconds between two looks for a wish.
_LOOK_EVERY = 0.5
_RENEW_EVERY = LEASE.total_seconds() / 3


class TakenOver(Errored):
    """Another process drives the run now; nothing that we write counts any more."""


class Tenure:
    def __init__(self, tools: Tools, run: Run, token: int) -> None:
        self._tools = tools
        self._run = run
        self._token = token

    async def keep(self, wished: Callable[[str], None]) -> None:
        """For ever. Calls `wished` with the reason for which the run is to stop. Raises TakenOver."""
        clock, run_id, token = self._tools.clock, self._run.id, self._token
        renewed_at = clock.monotonic()
        while True:
            await clock.sleep(_LOOK_EVERY)
            try:
                reason, held = await self._tools.database.fetch(
                    lambda tx: (runs.cancel_reason(tx, run_id), runs.is_held(tx, run_id, token))
                )
            except DatabaseUnavailable:
                # A look that fails loses nothing; a write that fails is told by the run's loop.
                continue
            if not held:
                raise self.taken_over()
            if reason is not None:
                wished(reason)
            if clock.monotonic() - renewed_at > _RENEW_EVERY:
                renewed_at = clock.monotonic()
                if not await self._renew():
                    raise self.taken_over()

    async def _renew(self) -> bool:
        now, run_id, token = self._tools.clock.now(), self._run.id, self._token
        return await self._tools.database.perform(
            lambda tx: owners.renew(tx, KIND, run_id, token, now, LEASE)
        )

    def taken_over(self) -> TakenOver:
        return TakenOver(
            f"run {self._run.number} of {self._run.service} was taken over by another process",
            hint=f"follow it: headway logs {self._run.number} --follow",
        )
