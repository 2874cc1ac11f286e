"""Identifiers made by us: sortable by the time they were made, unique without asking anyone."""

import secrets
from datetime import datetime

from headway.base.clock import to_milliseconds

# Crockford's base 32: no I, L, O or U, so an id read aloud or retyped stays the same id.
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def new_id(prefix: str, now: datetime) -> str:
    """`prefix-` + 9 characters of time (milliseconds) + 8 of chance (40 bits), e.g. `dep-1jd0n5x3z4kq7w2ab`."""
    return f"{prefix}-{_encode(to_milliseconds(now), 9)}{_encode(secrets.randbits(40), 8)}"


def _encode(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, digit = divmod(number, 32)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))
