"""The signature of Standard Webhooks: how ours are signed, and how newer GitLabs sign theirs."""

import base64
import binascii
import hashlib
import hmac

#: What a signing secret begins with; base64 of the key follows.
PREFIX = "whsec_"


def standard_signature(key: bytes, id: str, timestamp: str, body: bytes) -> str:
    """`v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`."""
    signed = f"{id}.{timestamp}.".encode("utf-8", "surrogatepass") + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def signing_key(secret: str) -> bytes:
    """The key in `whsec_<base64>`. Raises ValueError for anything else."""
    if not secret.startswith(PREFIX):
        raise ValueError(f"a signing secret begins with {PREFIX}")
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError(f"after {PREFIX} comes base64") from error
