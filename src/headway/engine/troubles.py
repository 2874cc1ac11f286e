"""What keeps this server from its work, in one list: `/readyz`, the bar of every page and the live stream all tell it.

Each part that can be in trouble adds a source, which is asked anew each time: a trouble ends by no longer being told.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Trouble:
    #: For people who are signed in: what is wrong, in one sentence without its full stop.
    sentence: str
    #: For `/readyz`, where anybody may ask: names no person, service, path or address. Empty: the server is ready all
    #: the same.
    public: str = ""
    #: The page that shows more.
    href: str = "/settings/system"
    #: What to do about it, in a sentence or two.
    hint: str = "See the server's log. Nothing is lost; it goes on where it was."


#: Called with `now`, often: it answers from what is known, and asks nobody.
Source = Callable[[datetime], Iterable[Trouble]]


class Troubles:
    def __init__(self, *sources: Source) -> None:
        self._sources = list(sources)

    def watch(self, source: Source) -> None:
        self._sources.append(source)

    def at(self, now: datetime) -> list[Trouble]:
        return [trouble for source in self._sources for trouble in source(now)]
