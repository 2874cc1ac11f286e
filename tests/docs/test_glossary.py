"""docs/glossary.md: the states and kinds are those of the code."""

import re

import pytest

from headway.domain.deployment import DeploymentKind, DeploymentState
from headway.domain.states import State
from tests.docs.pages import ROOT, text_of

GLOSSARY = text_of(ROOT / "docs" / "glossary.md")


@pytest.mark.parametrize(
    ("of", "states"), [("runs, jobs and steps", State), ("deployments", DeploymentState)]
)
def test_states(of: str, states: type[State]) -> None:
    listed = re.search(rf"States of {of}: `([^`]+)`", GLOSSARY)
    assert listed and listed[1].split() == [str(state) for state in states]


def test_kinds_of_deployments() -> None:
    row = next(line for line in GLOSSARY.splitlines() if line.startswith("| **kind** of a deployment"))
    assert re.findall(r"`(\w+)`", row.split(" | ")[1]) == [str(kind) for kind in DeploymentKind]


def test_each_word_has_one_row() -> None:
    words = re.findall(r"^\| \*\*([^*]+)\*\*", GLOSSARY, re.MULTILINE)
    assert len(words) == len(set(words)) > 30
