"""The API of a server without its loops, called in this process."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.called_api import CalledApi
from tests.support.databases import fresh_sqlite_url


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[CalledApi]:
    with fresh_sqlite_url() as url:
        async with CalledApi(tmp_path, url) as found:
            yield found
