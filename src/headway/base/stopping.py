"""Telling blocking work in another thread that it should end: it looks at its sign as often as it can."""

import threading


class Stopped(Exception):
    """The work was told to stop; the text is the reason."""


class StopSign:
    """Set in one thread, looked at in another. The first reason counts."""

    def __init__(self) -> None:
        self._is_set = threading.Event()
        self.reason = ""

    @property
    def is_set(self) -> bool:
        return self._is_set.is_set()

    def stop(self, reason: str) -> None:
        if not self._is_set.is_set():
            self.reason = reason
            self._is_set.set()

    def check(self) -> None:
        """Raises Stopped once somebody has said so."""
        if self._is_set.is_set():
            raise Stopped(self.reason)
