"""Settings of a data folder of a test's own."""

from pathlib import Path

from headway.engine.settings import Settings
from tests.support.repositories import ENVIRONMENT


def settings_in(folder: Path, database_url: str | None = None, **environment: str) -> Settings:
    data = folder / "data"
    return Settings(
        data=data,
        database_url=database_url or f"sqlite:///{data / 'headway.db'}",
        user="ana@laptop",
        environment={**ENVIRONMENT, **environment},
    )
