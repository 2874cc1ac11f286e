from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.pages import Browser, browsing, make_server, sign_in


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Any]:
    server = make_server(tmp_path)
    yield server
    server.database.close()


@pytest.fixture
async def browser(server: Any) -> AsyncIterator[Browser]:
    """Ada, an administrator, signed in."""
    async with browsing(server, sign_in(server)) as browser:
        yield browser
