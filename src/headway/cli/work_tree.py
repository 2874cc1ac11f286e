"""Files that a command writes for a person, and the working tree that a dirty `headway run` takes along."""

from pathlib import Path

from headway.base.errors import HeadwayError
from headway.cli.output import echo
from headway.engine.settings import Settings


def goes_along_from(settings: Settings, place: Path) -> Path | None:
    """The top of the working tree with which a file at `place` would be run and sent; None where git ignores it."""
    from headway.drivers.git import Git
    from headway.engine.projects import NoRepository, find_repository

    try:
        top = find_repository(place.absolute().parent)
        return None if Git(settings.environment, settings.mirrors).ignores(top, place.absolute()) else top
    except NoRepository:
        return None
    except HeadwayError:
        # Of a repository that git does not read nothing is run.
        return None


def warn_of_work_tree(settings: Settings, place: Path) -> None:
    if (top := goes_along_from(settings, place)) is not None:
        told = f"  {place} lies in the working tree of {top}: the next headway run takes it along"
        echo(f"{told}; move it, or have git ignore it", err=True)
