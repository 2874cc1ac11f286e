"""Whatever stands in the file: a contract, or faults that each have a place. Never another exception."""

import tomllib
from copy import deepcopy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from headway.domain.contract import Contract
from headway.wire.contract import ContractInvalid, Fault, read_contract
from headway.wire.strict.toml import toml_key, toml_value
from tests.wire.contract.examples import WHOLE

#: An error without a fault is a failure of the test.
NOTHING = Fault("", "", 0, 0, "")
#: Values that fit nowhere or nearly everywhere.
ODD: list[Any] = [
    0, -1, 10**30, True, "", " ", "x", "main", "1s", "50%", "group:front", "group:", "{host}", "{labels.x}", "{x}", "../x", "a\nb",
    "\u0000", "ä" * 80, [], {}, [[]], [{}], ["test"], ["test", "test"], ["build", 3], {"a": "b"}, {"kind": "rolling"}, {"run": 1},
    "not dirty", "changed(", "(" * 300, {"kind": "canary", "first": "x"}, [{"http": "x", "tcp": 1}],
]  # fmt: skip
#: What the whole contract has no example of.
FOR_SERVERS = """
[triggers]
push = { branches = ["main", "!x"], paths = ["src/**"] }
tags = ["v*"]
pull_requests = { base = ["main"] }
cron = [{ name = "nightly", at = "0 3 * * *", zone = "Europe/Berlin", parameters = { level = "full" } }]
releases = ["library"]
[parameters.level]
type = "choice"
choices = ["quick", "full"]
default = "quick"
[pipeline]
concurrency = { group = "x", limit = 2 }
priority = 3
superseded = "keep"
"""
WORDS = ["run", "needs", "hosts", "kind", "health", "main", "production", "when", "a b", "", "x.y", "\u0000"]


def paths(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inner: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    return [path, *(deeper for key, item in inner for deeper in paths(item, (*path, key)))]


def render(document: dict[str, Any]) -> str:
    return "".join(f"{toml_key(key)} = {toml_value(value)}\n" for key, value in document.items())


def check(text: str) -> None:
    found: tuple[Fault, ...] = ()
    try:
        assert isinstance(read_contract(text), Contract)
    except ContractInvalid as error:
        found = error.faults or (NOTHING,)
    lines = text.split("\n")
    for fault in found:
        assert 1 <= fault.line <= len(lines)
        assert 1 <= fault.column <= len(lines[fault.line - 1]) + 1
        assert fault.message


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_right_document_with_some_places_changed(data: st.DataObject) -> None:
    document: dict[str, Any] = tomllib.loads(WHOLE + FOR_SERVERS)
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from([path for path in paths(document) if path]))
        holder: Any = document
        for part in path[:-1]:
            holder = holder[part]
        change = data.draw(st.sampled_from(["value", "remove", "rename", "add"]))
        if change == "value" or isinstance(holder, list):
            holder[path[-1]] = deepcopy(data.draw(st.sampled_from(ODD)))
        elif change == "remove":
            del holder[path[-1]]
        elif change == "rename":
            holder[data.draw(st.sampled_from(WORDS))] = holder.pop(path[-1])
        else:
            holder[data.draw(st.sampled_from(WORDS))] = deepcopy(data.draw(st.sampled_from(ODD)))
    check(render(document))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_right_text_with_some_characters_changed(data: st.DataObject) -> None:
    text = WHOLE
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 40)))
        text = text[:start] + data.draw(st.text("=[]{}\"',.\n#\\x1 \r\tä\ud7ff\x00", max_size=4)) + text[end:]
    check(text)


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=60))
def test_any_text(text: str) -> None:
    check(text)


def test_a_rendered_document_is_the_document() -> None:
    assert tomllib.loads(render(tomllib.loads(WHOLE))) == tomllib.loads(WHOLE)
