"""How long others are waited for by a process that may stand still itself: stopped, starved, a machine that is moved."""

from collections.abc import Callable


class Patience:
    """Seconds of waiting, counted from one look at them to the next.

    More than `tick` between two looks was no waiting: this process stood still, and whoever it asked may have answered
    meanwhile. So that counts as one `tick`, and is no verdict yet: once, a whole `tick` is left in which to look again.
    """

    def __init__(self, monotonic: Callable[[], float], seconds: float, *, tick: float) -> None:
        self._monotonic = monotonic
        self._left = seconds
        self._tick = tick
        self._looked_at = monotonic()
        self._may_look_again = True

    def left(self) -> float:
        """In seconds; zero or less: it is over."""
        now = self._monotonic()
        gap, self._looked_at = now - self._looked_at, now
        self._left -= min(gap, self._tick)
        if gap > self._tick > self._left and self._may_look_again:
            self._may_look_again = False
            self._left = self._tick
        return self._left
