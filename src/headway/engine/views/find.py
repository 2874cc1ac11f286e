"""What the search field means: a service by its name, a release, a commit; else nothing certain."""

import re
from urllib.parse import quote

from headway.store.database import Transaction
from headway.store.views.commits import commits_beginning, releases_beginning, service_exists

_HEX = re.compile(r"[0-9a-f]{6,64}")
_RUN = re.compile(r"(\S+)\s+(?:run\s+)?#?(\d{1,12})")


def find_address(tx: Transaction, text: str) -> str | None:
    """The address of the one thing that is called so; None when it is none or several."""
    if not text:
        return None
    if service_exists(tx, text):
        return f"/services/{quote(text, safe='')}"
    if (match := _RUN.fullmatch(text)) and service_exists(tx, match[1]):
        return f"/services/{quote(match[1], safe='')}/runs/{match[2]}"
    lowered = text.lower()
    if lowered.startswith("rel-"):
        releases = releases_beginning(tx, lowered)
        return (
            f"/services/{quote(releases[0][0], safe='')}/releases/{releases[0][1]}"
            if len(releases) == 1
            else None
        )
    if _HEX.fullmatch(lowered):
        commits = commits_beginning(tx, lowered)
        return f"/c/{commits[0]}" if len(commits) == 1 else None
    return None
