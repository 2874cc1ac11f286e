"""The names of steps, as a journal keeps them."""

import pytest

from headway.deploy.steps import HostStep, StepName, Way


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("switch", StepName(HostStep.SWITCH)),
        ("activate:worker", StepName(HostStep.ACTIVATE, process="worker")),
        ("back-activate", StepName(HostStep.ACTIVATE, Way.BACK)),
        ("back-deactivate:web", StepName(HostStep.DEACTIVATE, Way.BACK, "web")),
    ],
)
def test_a_name_is_read_as_it_is_written(text: str, name: StepName) -> None:
    assert StepName.parse(text) == name
    assert str(name) == text


@pytest.mark.parametrize("text", ["", "back-", "None", "rebuild", "Switch"])
def test_what_another_version_wrote_is_none(text: str) -> None:
    assert StepName.parse(text) is None
