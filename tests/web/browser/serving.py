"""A server's pages on a real port, live: what browser tests look at. It can be stopped and started like a server."""

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import uvicorn

from headway.base.clock import SystemClock
from headway.domain.run import Job
from headway.domain.states import State
from headway.engine.duties import Duties
from headway.engine.outgoing.hub import Hub
from headway.engine.troubles import Troubles
from headway.engine.views.logs import job_log
from headway.store import job_results, jobs
from headway.store.events import add_event
from headway.web.app import create_web
from tests.support.pages import make_server, sign_in
from tests.support.stored_runs import StoredStep, lay_steps

T = TypeVar("T")


class LivePages:
    def __init__(self, data: Path) -> None:
        self.server = make_server(data, clock=SystemClock())
        self.session = sign_in(self.server)
        self._socket = socket.create_server(("127.0.0.1", 0), reuse_port=False)
        self.port = self._socket.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self.server.base_url = self.address
        self._thread: threading.Thread | None = None

    # ---- the process ----

    def start(self) -> None:
        ready = threading.Event()
        self.server.hub = Hub(self.server.database)
        self.server.duties = Duties(self.server.tools.clock)
        self.server.troubles = Troubles(self.server.duties.troubles)
        self.server.duties.add("runs", None, every=60).ended_at = self.server.now()
        if self._socket.fileno() < 0:
            self._socket = socket.create_server(("127.0.0.1", self.port))
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(ready)), daemon=True)
        self._thread.start()
        assert ready.wait(10)

    async def _serve(self, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        await self.server.hub.start()
        pump = asyncio.create_task(self.server.hub.run())
        config = uvicorn.Config(
            create_web(self.server), log_level="error", lifespan="off", ws="none", timeout_graceful_shutdown=2
        )
        self._uvicorn = uvicorn.Server(config)
        ready.set()
        await self._uvicorn.serve(sockets=[self._socket])
        pump.cancel()

    def stop(self) -> None:
        """As a server that is told to end: its streams end, its port is closed."""
        if self._thread is None:
            return

        def end() -> None:
            self.server.hub.close()
            self._uvicorn.should_exit = True

        self._loop.call_soon_threadsafe(end)
        self._thread.join(15)
        assert not self._thread.is_alive()
        self._thread = None
        self._socket.close()

    def close(self) -> None:
        self.stop()
        self.server.database.close()

    def within(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        return asyncio.run_coroutine_threadsafe(work(), self._loop).result(10)

    # ---- what happens ----

    def print(self, job: str, data: bytes | str) -> int:
        """The job prints this: it stands in the log, and those who look on are told. The log's size."""
        place = self.server.database.read(lambda tx: job_log(tx, job))
        path = self.server.tools.log(place.job, place.attempt)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            size = file.tell()
        told = {"run": place.job.run, "job": job, "attempt": place.attempt, "size": size}
        if self._thread is not None:
            hub = self.server.hub
            self._loop.call_soon_threadsafe(lambda: hub.sign("log.grew", service="", subject=job, data=told))
        return size

    def lay(self, job: Job, steps: list[StoredStep]) -> None:
        """The steps of a job with what they printed, in place of what was there."""
        stored, text = lay_steps(job, steps, job.queued_at)
        path = self.server.tools.log(job, job.attempt)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)
        self.server.database.transact(lambda tx: job_results.put_steps(tx, stored))

    def end(self, job: Job, state: State = State.SUCCEEDED) -> None:
        """The job and its run end, as the engine says it."""
        now = self.server.now()

        def work(tx: Any) -> None:
            jobs.save(tx, replace(job, state=state, reason="", finished_at=now), 1)
            tx.execute(
                "UPDATE runs SET state = :state, finished_at = :now WHERE id = :id",
                id=job.run,
                state=state,
                now=int(now.timestamp() * 1000),
            )
            data = {"run": job.run, "job": job.id, "state": state}
            add_event(tx, "job.changed", service="shop", subject=job.id, data=data, now=now)
            add_event(tx, "run.changed", service="shop", subject=job.run, data={"run": job.run}, now=now)

        self.within(lambda: self.server.database.perform(work))

    def retry(self, job: Job) -> None:
        """The attempt ended, and the next one runs."""
        now = self.server.now()

        def work(tx: Any) -> None:
            jobs.add_attempt(tx, job, state=State.ERRORED, reason="builder lost", kept=job.kept, now=now)
            again = replace(job, attempt=job.attempt + 1, reason="", started_at=now, taken=0, kept=0)
            jobs.save(tx, again, 1)
            data = {"run": job.run, "job": job.id, "state": "running"}
            add_event(tx, "job.changed", service="shop", subject=job.id, data=data, now=now)

        self.within(lambda: self.server.database.perform(work))

    def jobs(self, run: str) -> dict[str, Job]:
        return {job.name: job for job in self.server.database.read(lambda tx: jobs.jobs_of(tx, run))}
