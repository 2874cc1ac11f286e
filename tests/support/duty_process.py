"""A server's deployments duty in a process of its own, to be killed: `python -m tests.support.duty_process FOLDER URL`."""

import asyncio
import sys
from pathlib import Path

from headway.base.clock import SystemClock
from headway.drivers.git import Git
from headway.engine.releases.projects import ReleaseProjects
from headway.engine.requests.deployments_duty import DeploymentsDuty
from headway.engine.requests.tools import RequestTools
from headway.engine.settings import Settings
from headway.store.database import open_database
from tests.support.repositories import ENVIRONMENT


async def main(folder: Path, url: str, config: Path) -> None:
    environment = {**ENVIRONMENT, "HOME": str(folder)}
    settings = Settings(folder / "data", url, "headway@server", environment, ssh_config=config)
    git = Git(environment, settings.mirrors)
    tools = RequestTools(
        open_database(url), settings, SystemClock(), git, ReleaseProjects(environment, lambda service: None)
    )
    duty = DeploymentsDuty(tools)
    while True:
        await duty.tick(SystemClock().now())
        await asyncio.sleep(0.02)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])))
