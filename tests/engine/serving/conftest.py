"""Fixtures of a server's parts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.serving import Serving


@pytest.fixture
def serving(tmp_path: Path, database_url: str) -> Iterator[Serving]:
    """On both databases."""
    serving = Serving(tmp_path, database_url)
    yield serving
    serving.close()
