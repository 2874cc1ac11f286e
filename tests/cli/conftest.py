"""Fixtures of the command line's tests."""

from pathlib import Path

import pytest

from tests.support.command_line import Terminal


@pytest.fixture
def terminal(tmp_path: Path, database_url: str) -> Terminal:
    """The command in a repository with an empty database, on both databases."""
    return Terminal(tmp_path, database_url)


@pytest.fixture
def sqlite_terminal(tmp_path: Path) -> Terminal:
    """The command with its default database, for what has nothing to do with the database."""
    return Terminal(tmp_path, f"sqlite:///{tmp_path}/data/headway.db")
