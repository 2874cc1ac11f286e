"""`headway init`: looks at the project and writes a headway.toml that runs."""

from pathlib import Path

import click

from headway.base.errors import Errored, WrongUse
from headway.cli.output import echo, emit_json, json_option
from headway.engine.settings import Settings


@click.command()
@click.option("--print", "only_print", is_flag=True, help="Print the file instead of writing it.")
@json_option
@click.pass_obj
def command(settings: Settings, *, only_print: bool, as_json: bool) -> int:
    """Look at this project and write a headway.toml that runs.

    Knows Makefiles, Python (uv, Poetry, PDM, Hatch, tox, nox, pip), JavaScript (npm, pnpm, yarn), Rust, Go, Maven
    and Gradle. Never overwrites a file of yours; one that was written before anything of the project was there, and
    that nobody has changed, is written anew.
    """
    from headway.engine.projects import CONTRACT_FILE, find_repository
    from headway.engine.starters.starter import is_untouched, look

    root = find_repository(Path.cwd())
    file = root / CONTRACT_FILE
    starter = look(root)
    if not only_print and (file.exists() or file.is_symlink()):
        before = _text_of(file)
        if before == starter.text or not is_untouched(root, before):
            raise WrongUse(
                f"{file} is there already", hint="headway check, or headway init --print to see a new one"
            )
        _write_anew(file, starter.text)
    elif not only_print:
        _write(file, starter.text)
    if as_json:
        emit_json(
            {
                "file": None if only_print else str(file),
                "found": list(starter.found),
                "jobs": list(starter.jobs),
                "missing_programs": list(starter.missing),
                "text": starter.text,
            }
        )
        return 0
    if only_print:
        click.echo(starter.text, nl=False)
    else:
        echo(f"wrote {file}: {', '.join(starter.found)}; jobs {', '.join(starter.jobs)}")
    for program in starter.missing:
        echo(f"  this machine has no '{program}', which the jobs call", err=True)
    if not only_print:
        echo("  next: headway run")
    return 0


def _text_of(file: Path) -> str:
    """Empty for what is no file of ours."""
    try:
        return "" if file.is_symlink() else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _write_anew(file: Path, text: str) -> None:
    """In place of the one that is there, whole or not at all."""
    aside = file.with_name(f".{file.name}.new")
    try:
        aside.unlink(missing_ok=True)
        _write(aside, text)
        aside.replace(file)
    except OSError as error:
        raise Errored(f"{file} cannot be written: {(error.strerror or str(error)).lower()}") from error


def _write(file: Path, text: str) -> None:
    """The file, whole or not at all, and never over another one."""
    try:
        with file.open("x", encoding="utf-8") as opened:
            try:
                opened.write(text)
                opened.flush()
            except OSError:
                file.unlink(missing_ok=True)
                raise
    except FileExistsError:
        raise WrongUse(f"{file} is there already", hint="headway check") from None
    except OSError as error:
        raise Errored(f"{file} cannot be written: {(error.strerror or str(error)).lower()}") from error
