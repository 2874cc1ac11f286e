"""The word that was meant."""

import difflib
from collections.abc import Iterable
from itertools import islice

#: Comparing takes about 20 µs a word; beyond this a near word is not looked for.
_COMPARED = 1000


def nearest(word: str, words: Iterable[str]) -> str | None:
    """The only one that begins so (`prod` for `production`), else the one that is spelt most alike; None: none is near."""
    known, typed = list(islice(words, _COMPARED)), word[:200]
    begun = [one for one in known if typed and one.casefold().startswith(typed.casefold())]
    if len(begun) == 1:
        return begun[0]
    by_folded = {one.casefold(): one for one in known}
    found = difflib.get_close_matches(typed.casefold(), by_folded, n=1, cutoff=0.8 if begun else 0.6)
    return by_folded[found[0]] if found else None
