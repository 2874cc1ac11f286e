"""The values of `[triggers]`, `[parameters]` and `[pipeline]` from their checked shape."""

from headway.domain.contract import (
    Concurrency,
    CronTrigger,
    ParameterKind,
    ParameterSpec,
    PipelineSpec,
    PullRequestTrigger,
    PushTrigger,
    Superseded,
    TriggerSpec,
)
from headway.wire.contract import shape_jobs, shape_pipeline
from headway.wire.contract.meaning_pipeline import as_written_value


def build_concurrency(rule: str | shape_jobs.Concurrency | None) -> Concurrency | None:
    if rule is None or isinstance(rule, str):
        return Concurrency(rule) if rule else None
    return Concurrency(rule.group, rule.limit)


def build_triggers(table: shape_pipeline.Triggers) -> TriggerSpec:
    return TriggerSpec(
        push=_push(table.push),
        tags=(("**",) if table.tags else ()) if isinstance(table.tags, bool) else tuple(table.tags),
        pull_requests=_pull_requests(table.pull_requests),
        cron=tuple(_cron(entry) for entry in table.cron),
        releases=tuple(table.releases),
    )


def _push(rule: bool | shape_pipeline.Push) -> PushTrigger | None:
    if isinstance(rule, bool):
        return PushTrigger() if rule else None
    return PushTrigger(tuple(rule.branches), tuple(rule.paths))


def _pull_requests(rule: bool | shape_pipeline.PullRequests) -> PullRequestTrigger | None:
    if isinstance(rule, bool):
        return PullRequestTrigger() if rule else None
    return PullRequestTrigger(tuple(rule.base))


def _cron(entry: shape_pipeline.CronEntry) -> CronTrigger:
    return CronTrigger(
        entry.name,
        " ".join(entry.at.split()),
        entry.zone,
        entry.branch,
        {name: _text(value) for name, value in entry.parameters.items()},
    )


def _text(value: str | float | bool) -> str:
    return as_written_value(value) or ""


def build_parameter(name: str, table: shape_pipeline.Parameter) -> ParameterSpec:
    return ParameterSpec(
        name=name,
        kind=ParameterKind(table.type),
        default=None if table.default is None else _text(table.default),
        choices=tuple(table.choices),
        description=table.description or "",
        required=table.required,
    )


def build_pipeline(table: shape_pipeline.Pipeline) -> PipelineSpec:
    return PipelineSpec(
        concurrency=build_concurrency(table.concurrency),
        priority=table.priority,
        superseded=Superseded(table.superseded),
        cancel_running=table.cancel_running,
    )
