"""How often somebody may try to sign in: waits that grow with each failure, for an account and for an address.

Where somebody is signed in already, tries are counted apart from everybody else's: a stranger who fails on purpose keeps
nobody out.

A try is counted as a failure before the password is looked at, and taken back when it was right: so many at once are
not more than many one after another.

TooManyAttempts    2    answered with 429; the message says when again
"""

import hashlib
import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta

from headway.base.durations import format_duration
from headway.base.errors import WrongUse
from headway.store import sign_in_attempts as rows
from headway.store.database import Transaction
from headway.store.sessions import sessions_of
from headway.store.sign_in_attempts import Failures


class TooManyAttempts(WrongUse):
    http_status = 429

    def __init__(self, retry_at: datetime, now: datetime) -> None:
        wait = max(retry_at - now, timedelta(seconds=1))
        rounded = timedelta(seconds=-(-wait // timedelta(seconds=1)))
        super().__init__(
            f"too many failed tries to sign in: the next one is possible in {format_duration(rounded)}",
            hint="an administrator can give you a link that lets you in at once",
        )
        self.retry_at = retry_at
        self.retry_after = rounded


@dataclass(frozen=True, slots=True)
class Limit:
    kind: str
    #: So many failures cost nothing.
    free: int
    first: timedelta
    longest: timedelta

    def wait_after(self, failures: int) -> timedelta:
        """Doubles with each failure beyond the free ones."""
        beyond = failures - self.free - 1
        if beyond < 0:
            return timedelta()
        doubled: int = 2 ** min(beyond, 20)
        return min(self.first * doubled, self.longest)


ACCOUNT = Limit("account", 4, timedelta(seconds=5), timedelta(minutes=15))
#: Many people may come from one address.
ADDRESS = Limit("address", 19, timedelta(seconds=5), timedelta(minutes=15))
#: Nobody failed for so long: all is forgotten.
FORGOTTEN_AFTER = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try that was let through."""

    account: str
    #: Empty where there is none: a socket of this machine.
    address: str


def begin_attempt(tx: Transaction, *, handle: str, address: str, now: datetime) -> Attempt:
    """Counts it. Raises TooManyAttempts, and then counts nothing: waiting would never end."""
    network = _network(address)
    # A browser there has a session in force: whoever guesses from elsewhere must not make its person wait.
    is_known = network != "" and network in {
        _network(one.address) for one in sessions_of(tx, handle.strip().lower(), now)
    }
    attempt = Attempt(_account(handle, network if is_known else ""), network)
    counted = []
    for limit, subject in _limits(attempt):
        found = rows.failures_of(tx, limit.kind, subject)
        if found is not None and now < found.free_at:
            raise TooManyAttempts(found.free_at, now)
        is_old = found is None or found.failed_at + FORGOTTEN_AFTER <= now
        count = 1 if found is None or is_old else found.count + 1
        counted.append((limit, subject, count))
    for limit, subject, count in counted:
        rows.put_failures(tx, limit.kind, subject, Failures(count, now, now + limit.wait_after(count)))
    return attempt


def attempt_was_right(tx: Transaction, attempt: Attempt, now: datetime) -> None:
    """The account begins anew. The address only gets this one back: else one good account would open it for guessing."""
    rows.forget_failures_of(tx, ACCOUNT.kind, attempt.account)
    if attempt.address:
        found = rows.failures_of(tx, ADDRESS.kind, attempt.address)
        if found is not None:
            count = max(found.count - 1, 0)
            rows.put_failures(tx, ADDRESS.kind, attempt.address, Failures(count, found.failed_at, now))


def _limits(attempt: Attempt) -> list[tuple[Limit, str]]:
    return [(ACCOUNT, attempt.account), *([(ADDRESS, attempt.address)] if attempt.address else [])]


def _account(handle: str, network: str) -> str:
    """What is counted for it; `network` is one that it is known at, else empty."""
    subject = f"{handle.strip().casefold()}\n{network}" if network else handle.strip().casefold()
    return hashlib.sha256(subject.encode("utf-8", "replace")).hexdigest()


def _network(address: str) -> str:
    """One who has an IPv6 address has 2^64 of them."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address[:100]
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)
