"""A deployment on the screen while it goes on: a line for whatever changes, host after host."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from headway.cli.output import echo, styled
from headway.domain.deployment import Deployment, DeploymentStep, HostRow
from headway.engine.deployments.drive import Watcher
from headway.wire.shapes_delivery import PlanDocument

if TYPE_CHECKING:
    from headway.engine.deployments.deployments import Result

_COLOURS = {
    "live": "green",
    "finished": "green",
    "broken": "red",
    "unprepared": "red",
    "stuck": "red",
    "left_out": "red",
    "reverting": "yellow",
    "rechecking": "yellow",
    "readmitting": "yellow",
    "reverted": "yellow",
}


def is_shown(step: DeploymentStep) -> bool:
    """What failed, and the log of a process that failed."""
    return step.state == "failed" or step.is_log


class Lines(Watcher):
    """Plain lines, so that they can be read by eye, in a log and by a pipe alike. `err`: to standard error."""

    def __init__(self, *, err: bool) -> None:
        self._err = err
        self._width = 0
        self._said = ""
        self._has_head = False

    def say(self, text: str) -> None:
        """A terminal that is gone is no reason to stop."""
        try:
            echo(text, err=self._err)
        except OSError:
            pass

    def deployment(self, deployment: Deployment) -> None:
        text = f"{styled(deployment.state)}  {deployment.reason}"
        if deployment.state.is_final or text == self._said:
            return
        self.head(deployment)
        self._said = text
        self.say(f"  {text}")

    def head(self, deployment: Deployment) -> None:
        """What it is of, once."""
        if not self._has_head:
            self._has_head = True
            self.say(
                f"{_number(deployment)} of {deployment.release} "
                f"(commit {deployment.commit[:12]}) to {deployment.environment}"
            )

    def host(self, row: HostRow) -> None:
        self._width = max(self._width, len(row.host))
        state = click.style(row.state, fg=_COLOURS.get(row.state))
        self.say(f"    {row.host:<{self._width}}  {state}" + (f"  {row.reason}" if row.reason else ""))

    def steps(self, steps: Sequence[DeploymentStep]) -> None:
        for step in steps:
            if not is_shown(step):
                continue
            said = "failed" if step.exit_code is None else f"exit {step.exit_code}"
            self.say(f"    {step.host}  {step.step}" + (f": {said}" if step.state == "failed" else ""))
            for line in step.output.splitlines()[-30:]:
                self.say(f"      | {line}")

    def note(self, text: str) -> None:
        self.say(f"  {text}")


def show_end(result: "Result") -> None:
    """What came of it, in one line; a failure says what stands where."""
    if result.already_live is not None:
        live = result.already_live
        when = f", since {live.verified_at:%Y-%m-%d %H:%M} UTC" if live.verified_at else ""
        echo(f"already live: {live.release} in {live.environment}{when} (deployment {live.number})")
        return
    deployment = result.deployment
    assert deployment is not None
    for line in result.differences:
        echo(f"  {line}")
    echo(
        f"{_number(deployment)} of {deployment.release} to {deployment.environment}: {styled(deployment.state)}"
    )
    shout = deployment.state == "failed"
    echo(click.style(f"  {deployment.reason}", fg="red" if shout else None, bold=shout))


def _number(deployment: Deployment) -> str:
    """`rollback --direct` has no database that counts."""
    return f"deployment {deployment.number}" if deployment.number else "the rollback"


def _taken_at_once(plan: PlanDocument) -> dict[str, list[str]]:
    """Processes that have several hosts, all of them in one batch; each with its hosts."""
    hosts: dict[str, list[str]] = {}
    batches: dict[str, set[int]] = {}
    for host in plan["hosts"]:
        for process in host["processes"]:
            hosts.setdefault(process, []).append(host["host"])
            batches.setdefault(process, set()).add(host["batch"])
    return {name: names for name, names in hosts.items() if len(names) > 1 and len(batches[name]) == 1}


def show_plan(plan: PlanDocument) -> None:
    """Every command for every host, as it would be run."""
    echo(
        f"{plan['release']} (commit {plan['commit'][:12]}) to {plan['environment']}, as it would be; nothing is touched"
    )
    if plan["settings"]:
        echo(f"settings: {', '.join(plan['settings'])}")
    for process, names in _taken_at_once(plan).items():
        echo(
            f"{process}: all its {len(names)} hosts ({', '.join(names)}) are one batch, "
            "so nothing of it runs until they are up"
        )
    for host in plan["hosts"]:
        where = f"{host['user'] or ''}@{host['address']}:{host['root']}"
        echo(
            click.style(f"\n{host['host']}", bold=True)
            + f"  batch {host['batch'] + 1}, {where}, now {host['before'] or 'nothing'}"
        )
        for command in host["commands"]:
            settings = f", with {command['settings']}" if command["settings"] else ""
            echo(f"  {click.style(command['step'], fg='cyan')}  in {command['directory']}{settings}")
            for line in command["script"].splitlines():
                echo(f"    {line}")
