"""Look at the pages: `python -m tests.web.gallery FOLDER empty|typical|overfull [PORT]`, then open what it prints.

With PORT 0 one is chosen. The clock stands still, so that pictures of two days are alike.
`make pictures` takes those of the documentation of the typical story.
"""

import asyncio
import socket
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import uvicorn

from headway.engine.duties import Duty
from headway.web.app import create_web
from tests.support.gallery_data import fill_overfull, fill_typical
from tests.support.pages import make_server, sign_in

STORIES: dict[str, Callable[[Any], None]] = {
    "empty": lambda server: None,
    "typical": fill_typical,
    "overfull": fill_overfull,
}


def tell(folder: Path, story: str) -> tuple[Any, str]:
    """A server with this story, and what an administrator's cookie holds."""
    server = make_server(folder)
    session = sign_in(server)
    STORIES[story](server)
    for name in ("intake", "runs", "deployments", "outbox", "poll", "schedule", "janitor"):
        duty: Duty = server.duties.add(name, None, every=60)
        duty.began_at = duty.ended_at = server.now() - timedelta(seconds=8)
    return server, session


class Served(uvicorn.Server):
    """Uvicorn on a port of its own choice; `stop` ends it."""

    def __init__(self, server: Any, port: int = 0) -> None:
        self.socket = socket.create_server(("127.0.0.1", port))
        self.address = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        server.base_url = self.address
        super().__init__(uvicorn.Config(create_web(server), log_level="warning", lifespan="off", ws="none"))

    def install_signal_handlers(self) -> None:
        """The test's own process keeps its signals."""

    def run_until_stopped(self) -> None:
        asyncio.run(self.serve(sockets=[self.socket]))

    def stop(self) -> None:
        self.should_exit = True


def main(folder: str, story: str = "typical", port: str = "8181") -> None:
    Path(folder).mkdir(parents=True, exist_ok=True)
    server, session = tell(Path(folder), story)
    served = Served(server, int(port))
    print(f"{served.address}  cookie headway_session={session}", flush=True)
    served.run_until_stopped()


if __name__ == "__main__":
    main(*sys.argv[1:])
