"""Whether a webhook comes from the forge that holds the secret, as each forge proves it.

GitHub: `X-Hub-Signature-256`, Gitea and Forgejo: `X-Gitea-Signature` or `X-Forgejo-Signature`, all HMAC-SHA256 of the body.
GitLab: the secret itself in `X-Gitlab-Token`, or in newer versions a signing token `whsec_…`, in the manner
of Standard Webhooks.
None of them protects against a second sending: what is told twice is known by its key (`keys.arrival_key`).
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence

from headway.domain.intake import ForgeKind
from headway.wire.forges.errors import BadSignature
from headway.wire.standard_webhooks import PREFIX, signing_key, standard_signature

_HINT = "compare the secret at the forge with the one that Headway shows for this repository"
_HUB = "x-hub-signature-256"


def check_signature(
    forge: ForgeKind, headers: Mapping[str, str], body: bytes, secrets: Sequence[str]
) -> None:
    """Returns when one of the secrets holds; raises BadSignature. Several secrets: an old one while it is replaced."""
    # An empty secret would match a header that is not there.
    known = [secret for secret in secrets if secret]
    if not known:
        raise BadSignature(
            "this repository has no webhook secret, so nothing that comes for it can be trusted",
            hint="set a secret at the forge and here",
        )
    match forge:
        case ForgeKind.GITHUB:
            _check_hex(headers, (_HUB,), body, known)
        case ForgeKind.GITEA:
            _check_hex(headers, ("x-forgejo-signature", "x-gitea-signature", _HUB), body, known)
        case ForgeKind.GITLAB:
            _check_gitlab(headers, body, known)
        case _:
            raise BadSignature(f"a repository of the kind '{forge}' sends no webhooks")


def _check_hex(headers: Mapping[str, str], names: Sequence[str], body: bytes, secrets: Sequence[str]) -> None:
    """The first header that is there decides: a bad one is not made good by another."""
    told = next((headers[name] for name in names if headers.get(name)), None)
    if told is None:
        raise BadSignature(f"the header {names[0].title()} is missing: the webhook has no secret", hint=_HINT)
    told = told.strip().removeprefix("sha256=").lower()
    _require(told, (hmac.new(_bytes(secret), body, hashlib.sha256).hexdigest() for secret in secrets))


def _check_gitlab(headers: Mapping[str, str], body: bytes, secrets: Sequence[str]) -> None:
    keys = [_key_or_none(secret) for secret in secrets]
    if (signature := headers.get("webhook-signature")) and any(keys):
        id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
        # Several signatures may stand there, while the forge replaces its own secret.
        for told in signature.split(" ")[:8]:
            if _matches(told, (standard_signature(key, id, timestamp, body) for key in keys if key)):
                return
        raise BadSignature("the signature does not fit the body and the secret", hint=_HINT)
    token = headers.get("x-gitlab-token")
    if not token:
        raise BadSignature("the header X-Gitlab-Token is missing: the webhook has no secret", hint=_HINT)
    # A signing token is the key of a signature, never a word that is sent along.
    _require(token, (secret for secret in secrets if not secret.startswith(PREFIX)))


def _key_or_none(secret: str) -> bytes | None:
    try:
        return signing_key(secret)
    except ValueError:
        return None


def _require(told: str, rights: Iterable[str]) -> None:
    if not _matches(told, rights):
        raise BadSignature("the signature does not fit the body and the secret", hint=_HINT)


def _matches(told: str, rights: Iterable[str]) -> bool:
    """All are compared, each in constant time."""
    found = False
    for right in rights:
        found |= hmac.compare_digest(_bytes(told), _bytes(right))
    return found


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
