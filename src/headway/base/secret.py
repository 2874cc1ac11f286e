"""A secret value: shown by nobody by accident, masked in every form in which a tool may print it."""

import base64
import json
from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus

MASK = b"[secret]"
#: A shorter value would mask half of the log, and guessing it back from the gaps is easy.
MINIMUM_LENGTH = 4


@dataclass(frozen=True, slots=True)
class Secret:
    """A named secret. `str()` and `repr()` never hold its value; `reveal()` says aloud that it is read."""

    name: str
    _value: str = field(repr=False)

    def __post_init__(self) -> None:
        if len(self._value) < MINIMUM_LENGTH:
            raise ValueError(
                f"the secret {self.name} has fewer than {MINIMUM_LENGTH} characters and could not be masked"
            )

    def __str__(self) -> str:
        return f"[secret {self.name}]"

    def reveal(self) -> str:
        return self._value

    def forms(self) -> frozenset[bytes]:
        """Every byte string to be masked: raw, URL-encoded, JSON-escaped, base64; several lines line by line."""
        pieces = {self._value, *self._value.splitlines()}
        found: set[bytes] = set()
        for piece in pieces:
            if len(piece.strip()) < MINIMUM_LENGTH:
                continue
            raw = piece.encode()
            found |= {
                raw,
                quote(piece, safe="").encode(),
                quote(piece).encode(),
                quote_plus(piece).encode(),
                json.dumps(piece)[1:-1].encode(),
                json.dumps(piece, ensure_ascii=False)[1:-1].encode(),
                base64.b64encode(raw),
                base64.urlsafe_b64encode(raw),
                base64.b64encode(raw).rstrip(b"="),
                base64.urlsafe_b64encode(raw).rstrip(b"="),
            }
        return frozenset(found)
