"""What comes of commands on hosts, in JSON, as docs/json.md describes it: whole, and line by line."""

import base64
from typing import NotRequired, TypedDict


class HostOutcome(TypedDict):
    host: str
    state: str
    exit_code: int | None
    signal: str | None
    reason: str
    output: str
    #: Where it is no UTF-8.
    output_base64: NotRequired[str]
    dropped_bytes: int
    seconds: float


class HostLine(TypedDict):
    """One line on its way. `task` counts from 0 in the order of the stream's first line."""

    task: int
    line: str
    line_base64: NotRequired[str]


def as_text(data: bytes, key: str = "output") -> dict[str, str]:
    """The text for JSON, and `KEY_base64` beside it where bytes are no UTF-8."""
    try:
        return {key: data.decode()}
    except UnicodeDecodeError:
        return {
            key: data.decode("utf-8", "replace"),
            f"{key}_base64": base64.b64encode(data).decode(),
        }


def as_bytes(document: "HostLine | HostOutcome", key: str = "output") -> bytes:
    """The way back."""
    encoded = document.get(f"{key}_base64")
    if isinstance(encoded, str):
        return base64.b64decode(encoded)
    text = document[key]  # type: ignore[literal-required]
    assert isinstance(text, str)
    return text.encode()
