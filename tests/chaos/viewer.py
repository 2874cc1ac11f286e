"""Somebody who looks on all the while: the stream of news of a browser, taken up again wherever it broke."""

import json
import threading
import time
from typing import Any

import httpx

from tests.support.running_server import RunningServer


class Viewer(threading.Thread):
    def __init__(self, server: RunningServer, session: str) -> None:
        super().__init__(name="viewer", daemon=True)
        self._server = server
        self._cookies = {"headway_session": session}
        self._is_over = threading.Event()
        #: Positions in the order in which they came, and kinds of gap that were told.
        self.positions: list[int] = []
        self.gaps = 0
        self.connections = 0
        #: Where it stood when it came in first.
        self.began_after: int | None = None

    def run(self) -> None:
        while not self._is_over.is_set():
            try:
                self._look()
            except httpx.HTTPError:
                time.sleep(0.1)

    def stop(self) -> None:
        self._is_over.set()
        self.join(15)

    def _look(self) -> None:
        headers = {} if self.began_after is None else {"last-event-id": str(self._last)}
        timeout = httpx.Timeout(5, read=15)
        with (
            httpx.Client(cookies=self._cookies, timeout=timeout) as client,
            client.stream("GET", f"{self._server.url}/live", headers=headers) as answer,
        ):
            if answer.status_code != 200:
                time.sleep(0.1)
                return
            self.connections += 1
            event: dict[str, str] = {}
            for line in answer.iter_lines():
                if self._is_over.is_set():
                    return
                name, _, value = line.partition(": ")
                if line:
                    event[name] = value
                else:
                    self._take(event)
                    event = {}

    @property
    def _last(self) -> int:
        assert self.began_after is not None
        return self.positions[-1] if self.positions else self.began_after

    def _take(self, event: dict[str, Any]) -> None:
        match event.get("event"):
            case "hello" if self.began_after is None:
                self.began_after = int(event["id"])
            case "gap":
                self.gaps += 1
            case "news" if "id" in event:
                json.loads(event["data"])
                self.positions.append(int(event["id"]))
