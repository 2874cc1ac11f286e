"""docs/webhooks.md: its code verifies what is sent, its body is one that is sent, its tables are those of the program."""

import ast
import base64
import hmac
import json
import re
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from headway.domain.states import State
from headway.drivers.forge.statuses import _GITLAB_WORDS, _HUB_WORDS
from headway.engine.outgoing.statuses import _STATES
from headway.engine.outgoing.webhooks import _NEVER, EVENT_KINDS
from headway.wire.webhooks import Happening, envelope, new_signing_secret, signed_headers
from tests.docs.pages import ROOT, blocks, text_of

PAGE = text_of(ROOT / "docs" / "webhooks.md")


def block(language: str) -> str:
    (found,) = [block.text for block in blocks(language) if block.page == "docs/webhooks.md"]
    return found


def verify(*arguments: object) -> bool:
    space: dict[str, Any] = {"base64": base64, "hmac": hmac, "time": time}
    exec(block("python"), space)
    return bool(space["verify"](*arguments))


def test_the_six_lines_verify_what_is_sent() -> None:
    assert len(block("python").strip().splitlines()) == 6
    secret, body = new_signing_secret(), b'{"type": "run.changed"}'
    headers = signed_headers(secret, "whk-1-7", datetime.now(UTC), body)
    assert verify(secret, headers, body)


@pytest.mark.parametrize("change", ["body", "secret", "id", "timestamp", "old"])
def test_the_six_lines_refuse_what_was_changed(change: str) -> None:
    secret, body, now = new_signing_secret(), b"{}", datetime.now(UTC)
    headers = signed_headers(secret, "whk-1-7", now, body)
    match change:
        case "body":
            body = b"{ }"
        case "secret":
            secret = new_signing_secret()
        case "id":
            headers["webhook-id"] = "whk-1-8"
        case "timestamp":
            headers["webhook-timestamp"] = str(int(headers["webhook-timestamp"]) + 1)
        case "old":
            headers = signed_headers(
                secret, "whk-1-7", datetime.fromtimestamp(now.timestamp() - 400, UTC), body
            )
    assert not verify(secret, headers, body)


def test_the_body_is_one_that_is_sent() -> None:
    shown = json.loads(block("json"))
    at = datetime.fromisoformat(shown["time"])
    happening = Happening(shown["id"], shown["type"], at, shown["service"], shown["subject"], shown["data"])
    assert json.loads(envelope(happening, shown["source"])) == shown


def test_every_kind_of_event_is_named() -> None:
    named = re.findall(r"`(\w+\.\w+)`", PAGE)
    assert set(EVENT_KINDS) <= set(named)


def test_the_words_of_the_forges_are_those_of_the_program() -> None:
    table = re.findall(r"^\| (`\w+`.*?) \| `(\w+)` \| `(\w+)` \|$", PAGE, re.MULTILINE)
    shown = {state: (hub, lab) for states, hub, lab in table for state in re.findall(r"`(\w+)`", states)}
    wanted = {}
    for state in State:
        said = _STATES[state]
        wanted[str(state)] = (_HUB_WORDS.get(said, str(said)), _GITLAB_WORDS.get(said, str(said)))
    assert shown == wanted


def test_the_answers_that_end_an_event() -> None:
    (row,) = re.findall(r"^\| (400, .*?) \|", PAGE, re.MULTILINE)
    assert ast.literal_eval(f"({row})") == _NEVER
