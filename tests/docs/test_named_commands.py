"""Whoever types a command that a page or a message names gets it: it is there, with these options and so many words."""

from collections.abc import Callable, Iterator

import pytest

from tests.support.named_commands import PROSE, Mention, fault_of, in_messages, in_pages, in_scripts, top


@pytest.mark.slow
@pytest.mark.parametrize("named", [in_pages, in_messages, in_scripts])
def test_each_command_that_is_named_can_be_typed(named: Callable[[], Iterator[Mention]]) -> None:
    found = list(named())
    assert found or named is in_scripts
    assert [f"{mention}: {fault}" for mention in found if (fault := fault_of(mention))] == []


def test_no_command_is_called_like_a_word_of_a_sentence() -> None:
    assert not PROSE & top()


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ("people link HANDLE", "link takes 0 words, not 1"),
        ("people invite HANDLE", ""),
        ("people uninvite HANDLE", "there is no headway people uninvite"),
        ("depoly production", "there is no headway depoly"),
        ("token create NAME --scope push", ""),
        ("token create NAME --scopes push", "create has no --scopes"),
        ("deployment pause|go-on ENVIRONMENT", ""),
        ("deployment pause|wait ENVIRONMENT", "there is no headway deployment wait"),
        ("people list shows them", ""),
        ("status production", ""),
    ],
)
def test_a_command_that_is_not_there_is_found(said: str, fault: str) -> None:
    assert fault_of(Mention("here", said)) == fault
