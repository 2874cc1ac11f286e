"""Passwords: what is a good enough one, and its argon2id hash.

PasswordWeak    2    too short, too long, or one that is tried first; the message says which
"""

import asyncio
import re
import secrets
import unicodedata
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from headway.base.errors import WrongUse

if TYPE_CHECKING:
    from argon2 import PasswordHasher

SHORTEST = 12
#: argon2 takes any length in the same time, a form's body should not.
LONGEST = 200
#: What people begin with when a password must be long; digits and signs around them add nothing.
_COMMON_WORDS = """
abc abcd abcdef abcdefgh abcdefghijkl admin administrator adminadmin asdf asdfgh asdfghjkl baseball batman
changeit changeme changemenow charlie computer correcthorsebatterystaple default deploy docker donald
dragon football freedom guest hello helloworld headway iloveyou internet jenkins jordan letmein letmeinnow
login loveyou lovely master michael microsoft monkey mustang mypassword mysecretpassword newpassword ninja
passphrase passw pass password passwordpassword princess production qazwsx qazwsxedc qwer qwert qwerty
qwertyqwerty qwertyuiop qwertyuiopasdf root rootroot secret secretpassword server shadow starwars staging
summer sunshine superman supersecret system temp temppassword test testing testtest thisisapassword
thisismypassword trustno user welcome welcomewelcome whatever winter zxcvbn zxcvbnm zaqwsx
"""
_COMMON = frozenset(_COMMON_WORDS.split())
_LOOKALIKES = str.maketrans("013457@$!", "oieastasi")
_NO_LETTERS = re.compile(r"[\W\d_]+")
_RIM = re.compile(r"\A[\W\d_]+|[\W\d_]+\Z")


class PasswordWeak(WrongUse):
    http_status = 400


def require_strong(password: str, *, handle: str) -> None:
    """Raises PasswordWeak."""
    if len(password) < SHORTEST:
        raise PasswordWeak(
            f"this password has {len(password)} characters, and needs {SHORTEST}",
            hint="four words that have nothing to do with each other are easy to keep in mind",
        )
    if len(password) > LONGEST:
        raise PasswordWeak(f"a password has at most {LONGEST} characters", hint="take a shorter one")
    if _is_common(password, handle):
        raise PasswordWeak(
            "this password is among the first that are tried",
            hint="four words that have nothing to do with each other are easy to keep in mind",
        )


def _is_common(password: str, handle: str) -> bool:
    folded = normal(password).casefold()
    if len(set(folded)) < 5:
        return True
    bare = _NO_LETTERS.sub("", folded)
    # A year or a sign at the end is no letter, one in the middle stands for one.
    alike = _NO_LETTERS.sub("", _RIM.sub("", folded).translate(_LOOKALIKES))
    name = _NO_LETTERS.sub("", handle.casefold())
    return any(word in _COMMON or word in ("", name, name * 2) for word in (bare, alike))


def normal(password: str) -> str:
    """The same characters however a keyboard composes them."""
    return unicodedata.normalize("NFKC", password)


@dataclass(frozen=True)
class Passwords:
    """Hashes and compares. A comparison takes the same time whether or not there is a hash to compare with."""

    #: RFC 9106's advice for little memory, within what a small server can spare: about 0.1 s.
    time_cost: int = 4
    #: KiB, for each comparison under way.
    memory_cost: int = 32 * 1024
    #: At a time: they cost memory, and whoever tries many should wait for each other.
    at_once: int = 2

    async def hash(self, password: str) -> str:
        async with self._turn:
            return await asyncio.to_thread(self._hasher.hash, normal(password))

    async def matches(self, hash: str | None, password: str) -> bool:
        """`hash` None: nobody is there, which is found out as slowly as a wrong password."""
        if len(password) > LONGEST:
            password = ""
        async with self._turn:
            found = await asyncio.to_thread(self._compare, hash or self._nobody, normal(password))
        return found and hash is not None

    def is_old(self, hash: str) -> bool:
        """Made with other costs than today's: it should be made anew when its password is known."""
        return self._hasher.check_needs_rehash(hash)

    def _compare(self, hash: str, password: str) -> bool:
        from argon2.exceptions import InvalidHashError, VerificationError

        try:
            return self._hasher.verify(hash, password)
        except (VerificationError, InvalidHashError):
            return False

    @cached_property
    def _turn(self) -> asyncio.Semaphore:
        return asyncio.Semaphore(self.at_once)

    @cached_property
    def _hasher(self) -> "PasswordHasher":
        from argon2 import PasswordHasher

        return PasswordHasher(time_cost=self.time_cost, memory_cost=self.memory_cost, parallelism=1)

    @cached_property
    def _nobody(self) -> str:
        """The hash of a password that nobody knows."""
        return self._hasher.hash(secrets.token_urlsafe(24))
