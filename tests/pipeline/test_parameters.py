"""What a manual run is given, and what becomes of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.domain.contract import ParameterKind, ParameterSpec
from headway.pipeline.parameters import check_parameters, parameter_environment

SPECS = {
    "level": ParameterSpec("level", ParameterKind.CHOICE, "quick", ("quick", "full")),
    "count": ParameterSpec("count", ParameterKind.NUMBER),
    "loud": ParameterSpec("loud", ParameterKind.BOOLEAN, "false"),
    "note": ParameterSpec("note", default="none"),
    "who": ParameterSpec("who", required=True),
    "tone": ParameterSpec("tone", ParameterKind.CHOICE, "warm", ("", "warm")),
}
GOOD = {"level": "quick", "loud": "false", "note": "none", "who": "ada", "tone": "warm"}


@pytest.mark.parametrize(
    ("given", "values"),
    [
        ({"who": "ada"}, GOOD),
        ({"who": "ada", "level": "full", "count": "-2.5", "loud": "true"}, {**GOOD, "level": "full", "count": "-2.5", "loud": "true"}),
        # A form sends what was left open as empty text.
        ({"who": "ada", "level": "", "count": "", "loud": ""}, GOOD),
        ({"who": "ada", "note": ""}, {**GOOD, "note": ""}),
        ({"who": "ada", "tone": ""}, {**GOOD, "tone": ""}),
    ],
)  # fmt: skip
def test_values(given: dict[str, str], values: dict[str, str]) -> None:
    assert check_parameters(SPECS, given) == (values, ())


@pytest.mark.parametrize(
    ("given", "messages"),
    [
        ({}, ["who must be given: text of at most 4096 characters"]),
        ({"who": ""}, ["who must be given: text of at most 4096 characters"]),
        ({"who": "a", "levle": "x"}, ["'levle' is no parameter; did you mean level?"]),
        ({"who": "a", "zzz": "x"}, ["'zzz' is no parameter; there are: level, count, loud, note, who, tone"]),
        ({"who": "a", "level": "fast"}, ["level cannot be 'fast'; allowed is quick, full"]),
        ({"who": "a", "count": "1e3"}, ["count cannot be '1e3'; allowed is a number, such as 3 or -0.5"]),
        ({"who": "a", "loud": "yes", "count": "x"}, ["count cannot be 'x'; allowed is a number, such as 3 or -0.5", "loud cannot be 'yes'; allowed is true or false"]),
        ({"who": "a", "level": "x" * 60}, [f"level cannot be '{'x' * 60}'; allowed is quick, full"]),
        ({"who": "a", "level": "x" * 61}, [f"level cannot be '{'x' * 60}…'; allowed is quick, full"]),
        ({"who": "a", "z" * 200: "x"}, [f"'{'z' * 100}' is no parameter; there are: level, count, loud, note, who, tone"]),
        ({"who": "a\0"}, ["who cannot be 'a\\x00'; allowed is text of at most 4096 characters"]),
    ],
)  # fmt: skip
def test_faults(given: dict[str, str], messages: list[str]) -> None:
    faults = check_parameters(SPECS, given)[1]
    assert [fault.message for fault in faults] == messages
    assert all(fault.name in given or fault.name == "who" for fault in faults)


def test_a_pipeline_without_parameters_takes_none() -> None:
    (fault,) = check_parameters({}, {"x": "1"})[1]
    assert fault.message == "'x' is no parameter; this pipeline has none"


def test_steps_see_them_in_capitals() -> None:
    assert parameter_environment(SPECS, {"level": "full", "gone": "x"}) == {"PARAMETER_LEVEL": "full"}


@given(st.dictionaries(st.sampled_from([*SPECS, "other"]), st.sampled_from(["full", "1", "true", "", "ada"])))
def test_whatever_is_given_values_or_faults_for_each(given: dict[str, str]) -> None:
    values, faults = check_parameters(SPECS, given)
    assert set(values).isdisjoint(fault.name for fault in faults)
    assert ("other" in given) == any(fault.name == "other" for fault in faults)
    if not faults:
        assert check_parameters(SPECS, values) == (values, ()), "what was accepted is accepted again"
