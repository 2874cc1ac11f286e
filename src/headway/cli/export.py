"""`headway export`: everything in open formats."""

from pathlib import Path

import click

from headway.cli.output import echo, emit_json, json_option
from headway.cli.work_tree import warn_of_work_tree
from headway.engine.settings import Settings


@click.command()
@click.argument("target", metavar="FOLDER|FILE.tar.gz", type=click.Path(path_type=Path))
@click.option("--with-logs", is_flag=True, help="The jobs' logs, too, as plain text.")
@json_option
@click.pass_obj
def command(settings: Settings, *, target: Path, with_logs: bool, as_json: bool) -> int:
    """Write everything in open formats: JSON lines, one file for each noun, and a README that says what they mean.

    What could let somebody in (passwords, tokens, secrets) is never in it. For a copy to go back to: headway backup.
    """
    from headway.base.clock import SystemClock
    from headway.engine.keeping.export import export

    made = export(settings, target.absolute(), SystemClock().now(), logs=with_logs)
    if as_json:
        emit_json({"place": str(made.place), "files": made.files, "logs": made.logs})
        return 0
    for name, lines in made.files.items():
        echo(f"{lines:>10,}  {name}")
    if with_logs:
        echo(f"{made.logs:>10,}  logs")
    warn_of_work_tree(settings, made.place)
    echo(f"written to {made.place}; README.md says what the fields mean")
    return 0
