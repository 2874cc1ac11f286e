"""The organisation's file org.toml: text in, `domain.org.Org` or all its faults out. Touches no file.

Importing this package is cheap; pydantic and the rest come in when a file is read.
"""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from headway.wire.org.errors import OrgInvalid
from headway.wire.strict.faults import Fault

if TYPE_CHECKING:
    from headway.domain.org import Org

__all__ = ["Fault", "OrgInvalid", "read_org"]


def read_org(
    text: str, now: datetime, *, file: str = "org.toml", calendar: Callable[[str], str] | None = None
) -> "Org":
    """The organisation that `text` writes down; `file` is the name that faults are shown with.

    `calendar` gives the text of a calendar that a freeze names (a path relative to org.toml) and may raise OSError;
    calendars are expanded for the time around `now`. Raises OrgInvalid with all faults at once, in the file's order.
    """
    from headway.wire.org.read import read

    return read(text, now, file, calendar)
