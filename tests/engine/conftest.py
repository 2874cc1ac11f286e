"""Fixtures of the engine's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.workshop import Workshop


@pytest.fixture
def workshop(tmp_path: Path, database_url: str) -> Iterator[Workshop]:
    """A repository, a data folder and an empty database, on both databases."""
    workshop = Workshop(tmp_path, database_url)
    yield workshop
    workshop.close()
