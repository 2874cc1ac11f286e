"""What makes two tellings the same arrival, whoever told it: a webhook, the same one again, a look at the repository."""

import hashlib

from headway.domain.intake import Arrival


def arrival_key(arrival: Arrival, occurrence: int = 0) -> str:
    """64 hexadecimal digits from kind, ref, before and after; two arrivals of one repository with one key are one.

    A branch that goes from A to B, back to A, and to B again makes the same move twice. A webhook cannot tell that from
    the first one told again; who has seen the ref itself in between (a look, a push to us) can, and says the
    `occurrence`: 0 for the first such move, 1 for the second.
    """
    said = (arrival.kind, arrival.ref, arrival.before or "", arrival.after or "", str(occurrence or ""))
    # No part can hold a line break: refs are checked where they come in, the others are words and digits.
    return hashlib.sha256("\n".join(said).encode("utf-8", "surrogatepass")).hexdigest()
