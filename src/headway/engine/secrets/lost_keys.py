"""Secrets that no key here opens: told before a new key would hide it, and forgotten only when somebody says so.

KeyLost   2   the database holds secrets, and the key that opens them is not here
"""

import logging
from collections.abc import Sequence
from datetime import datetime

from headway.domain.people import Actor
from headway.domain.secrets import StoredSecret
from headway.engine.audit import record
from headway.engine.secrets.keys import KeySource, VaultError
from headway.engine.secrets.vault import Vault, open_vault
from headway.engine.settings import Settings
from headway.store import secrets as rows
from headway.store.database import Database, Transaction

log = logging.getLogger("headway.secrets")

#: Names that a message shows.
_SHOWN = 12


class KeyLost(VaultError):
    pass


def open_fitting_vault(settings: Settings, database: Database) -> Vault:
    """The vault, with a key made where none is and none is needed. Raises KeyLost and the errors of `engine.secrets.keys`."""
    source = KeySource.of(settings)
    database.read(lambda tx: require_keys(tx, source))
    return open_vault(settings, create=True)


def require_keys(tx: Transaction, source: KeySource) -> None:
    """Raises KeyLost when a secret is sealed with a key that is not here."""
    lost = _lost(tx, source)
    if not lost:
        return
    keys = sorted({secret.key_id for secret in lost})
    one = len(lost) == 1
    raise KeyLost(
        f"{_count(lost)} in the database ({_names(lost)}) {'is' if one else 'are'} sealed with the key "
        f"{', '.join(keys)}, which is not here",
        hint=f"bring it back ({source.file}, or HEADWAY_SECRET_KEY); if it is lost for good: headway up --new-key forgets "
        f"{'this value' if one else 'these values'}, to be set anew",
    )


def forget_lost(database: Database, settings: Settings, actor: Actor, now: datetime) -> None:
    """Removes what no key here opens, and says by name what went. Nothing else is touched, whatever keys there are."""
    source = KeySource.of(settings)

    def work(tx: Transaction) -> list[StoredSecret]:
        lost = _lost(tx, source)
        for secret in lost:
            rows.remove_secret(tx, secret.scope, secret.name)
            before = {"key": secret.key_id, "updated_by": secret.updated_by}
            record(tx, actor, "secret.forget", f"{secret.scope} {secret.name}", before, None, now)
        return lost

    for secret in database.transact(work):
        log.warning("forgotten, as its key is lost: %s of %s; set it anew", secret.name, secret.scope)


def _lost(tx: Transaction, source: KeySource) -> list[StoredSecret]:
    here = {key.id for key in source.read()}
    return [sealed.stored for sealed in rows.all_secrets(tx) if sealed.stored.key_id not in here]


def _names(lost: Sequence[StoredSecret]) -> str:
    shown = [f"{secret.name} of {secret.scope}" for secret in lost[:_SHOWN]]
    more = len(lost) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _count(lost: Sequence[StoredSecret]) -> str:
    return "1 secret" if len(lost) == 1 else f"{len(lost)} secrets"
