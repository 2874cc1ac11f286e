"""A repository with a headway.toml, a data folder, a database: what a run needs, with the real git and the real runner."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from headway.domain.run import Job, Run
from headway.drivers.runner.local import LocalRunner
from headway.engine.projects import find_project
from headway.engine.runs.drive import ready
from headway.engine.runs.runs import Begun, Tools, Wish, begin, look_at, open_tools
from headway.engine.runs.watch import Look
from headway.engine.settings import Settings
from tests.support.repositories import ENVIRONMENT, Repository

HEAD = 'contract = 1\n[service]\nname = "shop"\n'


@dataclass
class Ended:
    """A run as the database has it when it is over."""

    tools: Tools
    look: Look

    @property
    def run(self) -> Run:
        return self.look.run

    @property
    def states(self) -> dict[str, str]:
        return {job.name: str(job.state) for job in self.look.jobs}

    def job(self, name: str) -> Job:
        return next(job for job in self.look.jobs if job.name == name)

    def log(self, name: str, attempt: int | None = None) -> bytes:
        job = self.job(name)
        return self.tools.log(job, attempt or job.attempt).read_bytes()


class Workshop:
    def __init__(self, folder: Path, database_url: str) -> None:
        """`outside` is a folder that jobs may write to and that outlives them: `$OUTSIDE` in their steps."""
        self.outside = folder / "outside"
        self.outside.mkdir()
        self.repository = Repository(folder / "repository")
        self.settings = Settings(
            data=folder / "data",
            database_url=database_url,
            user="ana@laptop",
            environment={**ENVIRONMENT, "OUTSIDE": str(self.outside)},
        )
        self._open: list[Tools] = []

    def write(self, contract: str, files: Mapping[str | bytes, str | bytes] | None = None) -> str:
        """Commit this headway.toml (below the service's table) and these files; the commit's id."""
        return self.repository.commit({"headway.toml": HEAD + contract, **(files or {})})

    def tools(self, *, pid: int | None = None, **changes: object) -> Tools:
        """A process's own tools; with `pid` they belong to another process of this machine."""
        tools = open_tools(self.settings)
        self._open.append(tools)
        if pid is not None:
            tools = replace(tools, owner=replace(tools.owner, pid=pid, start_time="1"))
        return replace(tools, **changes)  # type: ignore[arg-type]

    def close(self) -> None:
        for tools in self._open:
            tools.database.close()

    def begin(self, tools: Tools, *only: str, fail_fast: bool = False) -> Begun:
        project = find_project(self.repository.folder)
        source = tools.git.inspect(project.root)
        return begin(tools, project.contract, source, Wish(only, fail_fast=fail_fast))

    async def run(self, *only: str, fail_fast: bool = False, limit: int = 4) -> Ended:
        """The whole run, from the beginning to its end."""
        tools = self.tools()
        begun = self.begin(tools, *only, fail_fast=fail_fast)
        return await self.drive(tools, begun, limit=limit)

    async def drive(self, tools: Tools, begun: Begun, *, limit: int = 4, runner: object = None) -> Ended:
        runner = runner or LocalRunner(self.settings.environment)
        run = await ready(tools, runner, begun, limit=limit).run()  # type: ignore[arg-type]
        ended = self.ended(tools, run)
        assert ended.run == run, "what the drive says is what is stored"
        return ended

    def ended(self, tools: Tools, run: Run) -> Ended:
        return Ended(tools, look_at(tools.database, run.id))

    def happened(self, name: str) -> list[str]:
        """Lines that jobs have written to a file in `outside`."""
        path = self.outside / name
        return path.read_text().splitlines() if path.exists() else []
