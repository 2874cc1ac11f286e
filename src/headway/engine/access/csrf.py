"""Proof that a form was sent by one of our own pages: a word that follows from the session and a key of the server.

No state is kept: whoever has the cookie's value and the server's key can say the word, and another site has neither.
Before anybody is signed in, the page of signing in gives a random value as a cookie and its word in the form.
"""

import base64
import hashlib
import hmac


def csrf_token(key: bytes, session_value: str) -> str:
    """The word for the forms of this session. `key`: `Vault.derive("csrf")`, 32 bytes."""
    digest = hmac.new(key, b"csrf\0" + session_value.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def check(key: bytes, session_value: str, given: str) -> bool:
    """Whether the form may be heeded. Takes as long for a wrong word as for a right one."""
    return hmac.compare_digest(csrf_token(key, session_value).encode(), given.encode("utf-8", "replace"))
