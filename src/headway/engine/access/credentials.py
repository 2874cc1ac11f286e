"""The texts that let somebody in: made of chance, shown once, kept as their SHA-256.

They hold 190 bits or more, so a plain hash is enough, and looking one up takes no longer for a near miss.
"""

import hashlib
import secrets
import zlib

TOKEN_PREFIX = "hw_"  # noqa: S105  (what every token begins with)
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CHANCE = 40
_CHECKSUM = 6
#: So much of a token may be shown.
SHOWN = len(TOKEN_PREFIX) + 5


def new_value() -> str:
    """For a cookie or a link."""
    return secrets.token_urlsafe(32)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def new_token() -> str:
    """`hw_`, 40 characters of chance, 6 that follow from them: scanners of secrets find it, and a slip is seen."""
    chance = "".join(secrets.choice(_ALPHABET) for _ in range(_CHANCE))
    return f"{TOKEN_PREFIX}{chance}{_checksum(chance)}"


def is_token(text: str) -> bool:
    """Whether it can be one, before anybody looks for it."""
    chance, given = text[len(TOKEN_PREFIX) : -_CHECKSUM], text[-_CHECKSUM:]
    whole = text.startswith(TOKEN_PREFIX) and len(chance) == _CHANCE and text.isascii()
    return whole and given == _checksum(chance)


def _checksum(chance: str) -> str:
    number, digits = zlib.crc32(chance.encode()), ""
    for _ in range(_CHECKSUM):
        number, digit = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits
