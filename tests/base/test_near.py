"""The word that was meant."""

import pytest

from headway.base.near import nearest


@pytest.mark.parametrize(
    ("typed", "words", "meant"),
    [
        ("prod", ["staging", "production"], "production"),
        ("PROD", ["staging", "production"], "production"),
        ("prodution", ["staging", "production"], "production"),
        ("pro", ["production", "proving"], None),
        ("x", ["staging"], None),
        ("", ["staging"], None),
    ],
)
def test_a_beginning_or_a_slip_names_the_word_that_was_meant(
    typed: str, words: list[str], meant: str | None
) -> None:
    assert nearest(typed, words) == meant
