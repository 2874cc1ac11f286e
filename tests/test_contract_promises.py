"""docs/contract.md: each promise names tests, and each of them is there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROMISES = re.split(
    r"^(?=\d+\. )", (ROOT / "docs" / "contract.md").read_text(encoding="utf-8"), flags=re.MULTILINE
)[1:]
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def functions(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.split("**")[1].strip(".,;"))
def test_a_promise_names_tests_that_are_there(promise: str) -> None:
    named = NAMED.findall(promise)
    assert named, "a promise without a test is a wish"
    for file, test in named:
        assert (ROOT / file).is_file(), file
        assert test in functions(ROOT / file), f"{file}::{test}"


def test_they_are_numbered_from_one() -> None:
    assert [int(promise.split(".")[0]) for promise in PROMISES] == list(range(1, len(PROMISES) + 1))
