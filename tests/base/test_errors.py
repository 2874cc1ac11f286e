"""The root of all errors, and what a missing room is called."""

import errno

import pytest

from headway.base import errors


@pytest.mark.parametrize(
    ("number", "so"),
    [(errno.ENOSPC, True), (errno.EDQUOT, True), (errno.EFBIG, True), (errno.EACCES, False), (None, False)],
)
def test_when_room_was_missing(number: int | None, so: bool) -> None:
    assert errors.wants_room(OSError(number, "no") if number else OSError("no")) is so


def test_the_picture_shows_every_kind_with_its_exit_code() -> None:
    assert errors.__doc__
    # Rooms above draw trees of their own.
    for kind in [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and kind.__bases__ == (errors.HeadwayError,)
    ]:
        line = next(line for line in errors.__doc__.splitlines() if f"── {kind.__name__} " in line)
        assert f" {kind.exit_code} " in line
