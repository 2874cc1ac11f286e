"""From the checked shape to the values of `domain.contract`; every default is filled in here."""

import shlex

from headway.domain.contract import (
    ANY_ANSWER,
    ApprovalSpec,
    Contract,
    DeployKind,
    DeploySpec,
    Drain,
    EnvironmentSpec,
    Expect,
    HealthCheck,
    HealthFrom,
    HealthKind,
    HostSpec,
    JobDefinition,
    ObjectiveSpec,
    Once,
    ProcessSpec,
    Promote,
    Retry,
    ServiceSpec,
    StepDefinition,
    Strategy,
    StrategyKind,
)
from headway.domain.states import State
from headway.wire.contract import shape_delivery, shape_jobs
from headway.wire.contract.build_pipeline import (
    build_concurrency,
    build_parameter,
    build_pipeline,
    build_triggers,
)
from headway.wire.contract.shape import ContractFile, Objective

#: The process that `[deploy]` itself describes.
MAIN_PROCESS = "main"
#: A step's name is cut here; the log shows the whole script anyway.
_LONGEST_STEP_NAME = 72


def build_contract(file: ContractFile) -> Contract:
    """The value of a file whose shape and meaning were found right."""
    return Contract(
        version=file.contract,
        service=ServiceSpec(
            file.service.name, file.service.team, file.service.runbook, file.service.description
        ),
        services=tuple(file.services),
        jobs={name: _job(name, job) for name, job in file.jobs.items()},
        deploy=_deploy(file),
        environments={name: _environment(name, table) for name, table in file.environments.items()},
        hosts={name: build_host(name, host) for name, host in file.hosts.items()},
        groups={name: tuple(members) for name, members in file.groups.items()},
        objectives={name: _objective(name, table) for name, table in file.objectives.items()},
        oncall_policy=file.oncall.policy if file.oncall else None,
        triggers=build_triggers(file.triggers),
        parameters={name: build_parameter(name, table) for name, table in file.parameters.items()},
        pipeline=build_pipeline(file.pipeline),
    )


def _listed(value: str | list[str] | None) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)


def _words(value: str | list[str]) -> tuple[str, ...]:
    return tuple(shlex.split(value)) if isinstance(value, str) else tuple(value)


def _job(name: str, job: shape_jobs.Job) -> JobDefinition:
    written = job.run if isinstance(job.run, list) else [job.run]
    return JobDefinition(
        name=name,
        steps=tuple(_step(step) for step in written),
        needs=tuple(job.needs),
        matrix={axis: tuple(values) for axis, values in job.matrix.items()},
        env=dict(job.env),
        pass_env=tuple(job.pass_env),
        secrets=tuple(job.secrets),
        timeout=job.timeout,
        idle_timeout=job.idle_timeout,
        retry=_retry(job.retry),
        allow_failure=job.allow_failure,
        when=job.when,
        artifacts=tuple(job.artifacts),
        junit=_listed(job.reports.junit),
        working_directory=job.working_directory,
        shell=_words(job.shell),
        output_limit=job.output_limit,
        concurrency=build_concurrency(job.concurrency),
        slots=job.slots,
        priority=job.priority,
    )


def _step(step: str | shape_jobs.Step) -> StepDefinition:
    if isinstance(step, str):
        return StepDefinition(step_name(step), step)
    return StepDefinition(
        name=step.name or step_name(step.run),
        run=step.run,
        env=dict(step.env),
        working_directory=step.working_directory,
        shell=_words(step.shell) if step.shell is not None else None,
    )


def step_name(script: str) -> str:
    """A script's first line that says something."""
    lines = [line.strip() for line in script.splitlines() if line.strip()]
    first = next((line for line in lines if not line.startswith("#")), lines[0])
    return first if len(first) <= _LONGEST_STEP_NAME else first[: _LONGEST_STEP_NAME - 1] + "…"


def _retry(rule: int | shape_jobs.Retry | None) -> Retry | None:
    if rule is None:
        return None
    if isinstance(rule, int):
        return Retry(rule, frozenset({State.ERRORED})) if rule else None
    return Retry(rule.max, frozenset(State(word) for word in rule.on)) if rule.max else None


def _deploy(file: ContractFile) -> DeploySpec | None:
    deploy = file.deploy
    if deploy is None:
        return None
    main = _process(MAIN_PROCESS, deploy, deploy.activate, None)
    others = [_process(name, table, table.activate, table.hosts) for name, table in file.processes.items()]
    return DeploySpec(
        kind=DeployKind(deploy.kind),
        processes=(main, *others),
        artifact=deploy.artifact,
        root=deploy.root,
        shared=tuple(deploy.shared),
        prepare=deploy.prepare,
        once=_once(deploy.once),
        run=deploy.run,
        rollback=deploy.rollback,
        keep=deploy.keep,
        timeout=deploy.timeout,
    )


def _process(
    name: str, table: shape_delivery.Running, activate: str | None, hosts: str | list[str] | None
) -> ProcessSpec:
    health = table.health if isinstance(table.health, list) else [table.health] if table.health else []
    return ProcessSpec(
        name=name,
        activate=activate,
        deactivate=table.deactivate,
        drain=_drain(table.drain),
        undrain=table.undrain,
        health=tuple(_health(check) for check in health),
        logs=table.logs,
        stop_within=table.stop_within,
        hosts=_listed(hosts),
    )


def _once(rule: str | shape_delivery.Once | None) -> Once | None:
    if rule is None or isinstance(rule, str):
        return Once(rule) if rule else None
    return Once(rule.run, rule.rollback == "compatible")


def _drain(rule: str | shape_delivery.Drain | None) -> Drain | None:
    if rule is None or isinstance(rule, str):
        return Drain(rule) if rule else None
    return Drain(rule.run, rule.until, rule.within)


def _expect(table: shape_delivery.Expect | None) -> Expect:
    return Expect(table.status or (), table.body, tuple(table.header.items())) if table else ANY_ANSWER


def _health(check: shape_delivery.Health) -> HealthCheck:
    kind, target = next(
        (kind, target)
        for kind in HealthKind
        if (target := {"http": check.http, "tcp": check.tcp, "command": check.command}[kind]) is not None
    )
    return HealthCheck(
        kind=kind,
        target=target,
        interval=check.interval,
        within=check.within,
        successes=check.successes,
        source=HealthFrom(check.source),
        timeout=check.timeout,
        expect=_expect(check.expect),
    )


def _environment(name: str, table: shape_delivery.EnvironmentTable) -> EnvironmentSpec:
    return EnvironmentSpec(
        name=name,
        hosts=_listed(table.hosts),
        strategy=_strategy(table.strategy),
        production=name == "production" if table.production is None else table.production,
        when=table.when,
        after=table.after,
        after_recorded=table.after_recorded,
        promote=Promote(table.promote),
        approval_from=", ".join(_listed(table.approval.source)) if table.approval else None,
        approval=_approval(table.approval),
        secrets=tuple(table.secrets),
        env=dict(table.env),
        root=table.root,
        processes={process: _listed(hosts) for process, hosts in table.processes.items()},
    )


def _approval(rule: shape_delivery.Approval | None) -> ApprovalSpec | None:
    if rule is None:
        return None
    return ApprovalSpec(rule.count, _listed(rule.source), rule.expires, rule.not_own, rule.comment)


def _strategy(rule: shape_delivery.Rolling | shape_delivery.Canary) -> Strategy:
    if isinstance(rule, shape_delivery.Rolling):
        return Strategy(StrategyKind.ROLLING, rule.batch)
    return Strategy(StrategyKind.CANARY, rule.then, rule.first, rule.watch)


def build_host(name: str, host: shape_delivery.Host) -> HostSpec:
    return HostSpec(name, host.address or name, host.port, host.user, dict(host.labels))


def _objective(name: str, table: Objective) -> ObjectiveSpec:
    return ObjectiveSpec(name, table.target, table.window, dict(table.indicator.model_dump()))
