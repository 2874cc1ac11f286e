"""Fixtures of the forges' tests."""

from collections.abc import AsyncIterator

import httpx
import pytest

from headway.drivers.forge.calls import forge_client


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with forge_client() as client:
        yield client
