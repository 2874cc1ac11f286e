"""The word that was meant."""

import difflib
from collections.abc import Iterable


def nearest(word: str, words: Iterable[str]) -> str | None:
    """The only one that begins so (`prod` for `production`), else the one that is spelt most alike; None: none is near."""
    known, typed = list(words), word[:200]
    begun = [one for one in known if typed and one.casefold().startswith(typed.casefold())]
    if begun:
        return begun[0] if len(begun) == 1 else None
    by_folded = {one.casefold(): one for one in known}
    found = difflib.get_close_matches(typed.casefold(), by_folded, n=1)
    return by_folded[found[0]] if found else None
