from pathlib import Path

import pytest

from headway.drivers.git import Git
from tests.support.repositories import ENVIRONMENT, Repository


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "shop")


@pytest.fixture
def git(tmp_path: Path) -> Git:
    return Git(ENVIRONMENT, tmp_path / "data" / "mirrors")
