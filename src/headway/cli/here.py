"""Where somebody stands who types a command."""

from pathlib import Path

from headway.base.errors import HeadwayError


def service_here() -> str | None:
    """The service of the folder where we stand; None outside of any."""
    from headway.engine.projects import service_name

    try:
        return service_name(Path.cwd())
    except HeadwayError:
        return None
