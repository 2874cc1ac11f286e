"""An event: what happened, told once, in one order over all of Headway."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    position: int
    at: datetime
    #: noun.verb, such as `run.changed`.
    kind: str
    service: str
    #: What changed: an id, or `service/environment`.
    subject: str
    data: Mapping[str, Any]
