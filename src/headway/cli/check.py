"""`headway check`: every fault of headway.toml at once, or what it says; with --hosts the hosts as well."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headway.cli.check_server import Withheld, ask_withheld
from headway.cli.output import echo, emit_json, json_option, print_table
from headway.cli.server_choice import local_option
from headway.engine.settings import Settings

if TYPE_CHECKING:
    from headway.domain.contract import Contract, EnvironmentSpec
    from headway.engine.hosts.checks import HostFinding
    from headway.engine.projects import Project
    from headway.wire.contract import ContractInvalid


@click.command()
@click.option("--hosts", "with_hosts", is_flag=True, help="Connect to every host and see what it lacks.")
@click.option(
    "--upgrade", is_flag=True, help="Rewrite the file for the newest contract, and show the difference."
)
@local_option
@json_option
@click.pass_obj
def command(settings: Settings, *, with_hosts: bool, upgrade: bool, local: bool, as_json: bool) -> int:
    """Check headway.toml: file, line, column, key, what was found, what is allowed, the near word.

    Where jobs name variables in pass_env, the server is asked which of them it hands out.

    Exit code: 0 if all is right, 1 if a host lacks something, 2 if the file has faults.
    """
    from headway.engine.projects import find_project
    from headway.wire.contract import ContractInvalid

    try:
        project = find_project(Path.cwd())
    except ContractInvalid as error:
        return _tell_faults(error, as_json)
    findings = _ask_hosts(project.contract, settings) if with_hosts else None
    good = all(finding.ok for finding in findings or ())
    withheld = ask_withheld(project.contract.jobs, settings, local=local)
    if as_json:
        emit_json(_document(project, findings, withheld, upgrade=upgrade))
        return 0 if good else 1
    _tell_summary(project)
    if withheld is not None:
        _tell_parts(
            f"named in pass_env, but not handed out by {withheld.server} (its HEADWAY_JOB_VARIABLES names what is):",
            {name: f"jobs: {', '.join(jobs)}" for name, jobs in withheld.jobs.items()},
        )
    if upgrade:
        echo(f"contract {project.contract.version} is the newest; there is nothing to upgrade")
    if findings is not None:
        _tell_hosts(findings)
    return 0 if good else 1


def _tell_faults(error: "ContractInvalid", as_json: bool) -> int:
    if as_json:
        faults = [
            {
                "file": fault.file,
                "key_path": fault.key_path,
                "line": fault.line,
                "column": fault.column,
                "message": fault.message,
                "found": fault.found or None,
                "allowed": fault.allowed or None,
                "near": fault.near,
            }
            for fault in error.faults
        ]
        emit_json({"ok": False, "faults": faults})
        return error.exit_code
    for fault in error.faults:
        place, _, said = str(fault).partition(" ")
        echo(f"{click.style(place, bold=True)} {said}")
    number = len(error.faults)
    echo(click.style(f"{number} fault{'s' if number != 1 else ''}", fg="red"), err=True)
    return error.exit_code


def _ask_hosts(contract: "Contract", settings: Settings) -> "list[HostFinding]":
    import asyncio

    from headway.engine.hosts.checks import check_hosts

    return asyncio.run(check_hosts(contract, settings))


def _hosts_of(contract: "Contract", environment: "EnvironmentSpec") -> list[str]:
    """All that a deployment there touches: also those of processes that name hosts of their own."""
    from headway.domain.selection import processes_by_host, select_hosts

    if not contract.hosts and not contract.groups:
        # They stand in the org.toml of a server; only what they are called is known here.
        return list(environment.hosts)
    if contract.deploy is None:
        return [host.name for host in select_hosts(contract, environment.hosts)]
    return [host.name for host, _ in processes_by_host(contract, contract.deploy, environment)]


def _summary(contract: "Contract") -> dict[str, Any]:
    from headway.pipeline.matrix import count

    return {
        "contract": contract.version,
        "service": contract.service.name,
        "jobs": [
            {"name": name, "needs": list(job.needs), "instances": count(job)}
            for name, job in contract.jobs.items()
        ],
        "environments": [
            {
                "name": name,
                "production": environment.production,
                "after": environment.after,
                "promote": environment.promote.value,
                "hosts": _hosts_of(contract, environment),
            }
            for name, environment in contract.environments.items()
        ],
        "hosts": [
            {"name": host.name, "address": host.address, "port": host.port, "user": host.user}
            for host in contract.hosts.values()
        ],
    }


def _document(
    project: "Project", findings: "list[HostFinding] | None", withheld: Withheld | None, *, upgrade: bool
) -> dict[str, Any]:
    from headway.wire.contract.notes import needs_server, not_acted_on

    document = {
        "ok": all(finding.ok for finding in findings or ()),
        "faults": [],
        "file": str(project.file),
        **_summary(project.contract),
        "needs_server": needs_server(project.contract),
        "not_acted_on": not_acted_on(project.contract),
        "withheld": None if withheld is None else {"server": withheld.server, "variables": withheld.jobs},
    }
    if upgrade:
        version = project.contract.version
        document["upgrade"] = {"from": version, "to": version, "changed": False}
    if findings is not None:
        document["findings"] = [
            {
                "host": finding.host,
                "check": finding.check,
                "ok": finding.ok,
                "detail": finding.detail,
                "hint": finding.hint,
            }
            for finding in findings
        ]
    return document


def _tell_summary(project: "Project") -> None:
    from headway.wire.contract.notes import needs_server, not_acted_on

    said = _summary(project.contract)
    jobs = [job["name"] + (f" ({job['instances']})" if job["instances"] > 1 else "") for job in said["jobs"]]
    lines = {
        "service": said["service"],
        "jobs": ", ".join(jobs) or "none",
        "environments": ", ".join(_environment(one) for one in said["environments"]) or "none",
        "hosts": ", ".join(host["name"] for host in said["hosts"]) or "none",
    }
    echo(click.style(f"{project.file.name} is right", fg="green"))
    for word, text in lines.items():
        echo(f"  {word:<13} {text}")
    _tell_parts("needs a server:", needs_server(project.contract))
    _tell_parts("read and checked, but nothing acts on it yet:", not_acted_on(project.contract))


def _tell_parts(heading: str, parts: dict[str, str]) -> None:
    if parts:
        echo(heading)
        width = max(len(part) for part in parts)
        for part, purpose in parts.items():
            echo(f"  {part:<{width}}  {purpose}")


def _environment(said: dict[str, Any]) -> str:
    number = len(said["hosts"])
    words = [f"{number} host{'s' if number != 1 else ''}"]
    words += [f"after {said['after']}"] if said["after"] else []
    words += ["promoted by itself"] if said["promote"] == "automatic" else []
    return f"{said['name']} ({', '.join(words)})"


def _tell_hosts(findings: "list[HostFinding]") -> None:
    if not findings:
        echo("there is no host to look at")
        return
    rows = [
        (
            finding.host,
            finding.check,
            click.style("ok", fg="green") if finding.ok else click.style("no", fg="red"),
            finding.detail,
        )
        for finding in findings
    ]
    echo()
    print_table(("host", "check", "", "found"), rows)
    for finding in findings:
        if not finding.ok and finding.hint:
            echo(f"  next, for {finding.host}: {finding.hint}")
