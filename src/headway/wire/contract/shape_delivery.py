"""The shape of `[deploy]`, `[processes]`, `[environments]` and `[hosts]`."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import ConfigDict, Discriminator, Field, Tag, model_validator

from headway.base.durations import format_duration
from headway.domain.contract import Amount
from headway.wire.contract.values import (
    Environment,
    HeaderName,
    HostAmount,
    RelativePath,
    RootPath,
    Statuses,
    Variable,
)
from headway.wire.strict.model import Model
from headway.wire.strict.values import (
    LIST,
    TABLE,
    TEXT,
    ApproverOrList,
    Duration,
    Label,
    Name,
    Pause,
    Text,
    TextOrList,
    either,
)


class Once(Model):
    """A command that runs on one host per deployment, before the first switch."""

    run: Text = Field(description="The command, in the new release's folder.", examples=["./bin/migrate"])
    rollback: Literal["compatible", "incompatible"] = Field(
        "incompatible",
        description="`compatible`: the release before still runs after it, so a rollback may pass it.",
        examples=["compatible"],
    )


class Drain(Model):
    """Takes a host out of traffic before it is switched."""

    run: Text = Field(description="Run once; asks the host to be left alone.", examples=["touch draining"])
    until: Text | None = Field(
        None,
        description="Run again and again until it succeeds; only then the host is switched.",
        examples=["./bin/idle"],
    )
    within: Duration = Field(
        timedelta(seconds=30), description="Longest time until `until` succeeds.", examples=["30s"]
    )


class Expect(Model):
    """What an answer by HTTP must hold, so that the process before can't answer for the new one."""

    status: Statuses | None = Field(
        None, description="Its status, or a list of them; 200 to 399 if absent.", examples=[200]
    )
    body: Text | None = Field(
        None, description="What its body holds, within the first 64 KiB.", examples=["{release}"]
    )
    header: dict[HeaderName, Text] = Field(
        {}, description="What a header holds, by the header's name.", examples=[{"X-Release": "{release}"}]
    )


class Health(Model):
    """How one knows that a process is well. Exactly one of `http`, `tcp` and `command`."""

    model_config = ConfigDict(
        strict=True,
        frozen=True,
        extra="forbid",
        json_schema_extra={"oneOf": [{"required": [kind]} for kind in ("http", "tcp", "command")]},
    )

    http: Text | None = Field(
        None,
        description="An address that answers with a status from 200 to 399.",
        examples=["http://localhost:8080/health"],
    )
    tcp: Text | None = Field(
        None, description="`address:port` that takes a connection.", examples=["localhost:5432"]
    )
    command: Text | None = Field(
        None, description="A command on the host that succeeds.", examples=["./bin/healthy"]
    )
    expect: Expect | None = Field(
        None,
        description="With `http`: what the answer must hold, else it is a bad one.",
        examples=[{"header": {"X-Release": "{release}"}}],
    )
    interval: Duration = Field(timedelta(seconds=1), description="Time between questions.", examples=["2s"])
    within: Duration = Field(
        timedelta(seconds=30),
        description="The process must be well within this time after it was activated.",
        examples=["1m"],
    )
    successes: Annotated[int, Field(ge=1, le=1000)] = Field(
        1, description="Good answers in a row that make it well.", examples=[3]
    )
    source: Literal["host", "here"] = Field(
        "host",
        alias="from",
        description="Who asks: the `host` itself (through the SSH connection), or Headway's machine (`here`).",
        examples=["here"],
    )
    timeout: Duration = Field(
        timedelta(seconds=5), description="Time limit of one question.", examples=["2s"]
    )

    @model_validator(mode="after")
    def _can_be_good(self) -> "Health":
        shortest = self.interval * (self.successes - 1)
        if shortest > self.within:
            raise ValueError(
                f"{self.successes} good answers take {format_duration(shortest)} and more, "
                f"and within is {format_duration(self.within)}: this can never be good"
            )
        return self


DrainRule = Annotated[
    Annotated[Text, Tag(TEXT)] | Annotated[Drain, Tag(TABLE)],
    either(TEXT, TABLE, allowed="text or a table { run, until, within }"),
]
OnceRule = Annotated[
    Annotated[Text, Tag(TEXT)] | Annotated[Once, Tag(TABLE)],
    either(TEXT, TABLE, allowed="text or a table { run, rollback }"),
]
HealthRules = Annotated[
    Annotated[Health, Tag(TABLE)] | Annotated[list[Health], Tag(LIST), Field(min_length=1)],
    either(TABLE, LIST, allowed="a table { http | tcp | command, … } or a list of these"),
]


class Running(Model):
    """What `[deploy]` and `[processes.NAME]` have in common: how a process is handled on its hosts."""

    deactivate: Text | None = Field(
        None,
        description="Stops the process for good, where a host goes back to no release at all, or gets a release that does not have the process.",
        examples=["sudo systemctl stop shop"],
    )
    drain: DrainRule | None = Field(
        None,
        description="Takes the host out of traffic before the switch; text is `run` alone.",
        examples=[{"run": "touch draining", "until": "./bin/idle", "within": "30s"}],
    )
    undrain: Text | None = Field(
        None, description="Puts the host back into traffic once it is well.", examples=["rm -f draining"]
    )
    health: HealthRules | None = Field(
        None,
        description="One check or a list of checks; all must be good.",
        examples=[{"http": "http://localhost:8080/health", "within": "30s"}],
    )
    logs: Text | None = Field(
        None,
        description="The command that prints the process's own log; `headway tail` runs it.",
        examples=["journalctl -u shop -o short-iso"],
    )
    stop_within: Duration = Field(
        timedelta(seconds=30),
        description="Time between TERM and KILL when a step is ended.",
        examples=["10s"],
    )


class Process(Running):
    """Another process of the service, often on other hosts."""

    activate: Text = Field(
        description="Starts the process in the release that `current` points at, or restarts it.",
        examples=["sudo systemctl restart shop-worker"],
    )
    hosts: TextOrList | None = Field(
        None,
        description="Where it runs: a host, `group:NAME`, `label:NAME=VALUE`, or a list of these. The environment's hosts if absent.",
        examples=["group:workers"],
    )


class Deploy(Running):
    """How a release gets to its hosts. Its own process is called `main`."""

    kind: Literal["files", "script"] = Field(
        description="`files`: the artifact is unpacked into a folder of its own, `current` is switched to it, then "
        "`activate` runs. `script`: your `run` makes the switch, in the same folder.",
        examples=["files"],
    )
    artifact: RelativePath | None = Field(
        None,
        description="The artifact that makes up the release's folder, relative to the repository's top. Archives "
        "(.tar.gz, .tgz, .tar, .zip) are unpacked, another file is laid as it is. Kind `files` needs one.",
        examples=["dist/shop.tar.gz"],
    )
    root: RootPath = Field(
        "headway/{service}/{environment}",
        description="The folder on the host; relative to the user's home unless absolute.",
        examples=["/srv/{service}"],
    )
    shared: list[RelativePath] = Field(
        [],
        description="Paths that live outside of releases and are linked into each.",
        examples=[["uploads"]],
    )
    prepare: Text | None = Field(
        None,
        description="Run in the new release's folder before the switch.",
        examples=["./bin/install-dependencies"],
    )
    once: OnceRule | None = Field(
        None,
        description="Run on one host per deployment before the first switch; text is `run` alone.",
        examples=[{"run": "./bin/migrate", "rollback": "compatible"}],
    )
    activate: Text | None = Field(
        None,
        description="Starts the process in the release that `current` points at, or restarts it.",
        examples=["sudo systemctl restart shop"],
    )
    run: Text | None = Field(
        None,
        description="Kind `script`: the command that switches a host to a release.",
        examples=["./bin/switch {release}"],
    )
    rollback: Text | None = Field(
        None,
        description="Kind `script`: the command that goes back; `run` with the release before if absent.",
        examples=["./bin/switch-back {release}"],
    )
    keep: Annotated[int, Field(ge=0, le=1000)] = Field(
        5, description="Releases kept on each host beside the live one and the one before.", examples=[3]
    )
    timeout: Duration = Field(
        timedelta(minutes=10), description="Longest time of one step on a host.", examples=["5m"]
    )


class Rolling(Model):
    """Batch after batch."""

    kind: Literal["rolling"] = Field(description="`rolling`: batch after batch.", examples=["rolling"])
    batch: HostAmount = Field(
        Amount(1),
        description="Hosts switched together: a number, or a percentage of all hosts of the environment, whichever "
        "processes run there; a host is switched with all its processes. `100%` takes every host at once: of no process "
        "anything runs until the new release is up.",
        examples=["25%"],
    )


class Canary(Model):
    """A small first batch is watched before the others follow."""

    kind: Literal["canary"] = Field(description="`canary`: a first batch is watched.", examples=["canary"])
    first: HostAmount = Field(Amount(1), description="Hosts in the first batch.", examples=[1])
    then: HostAmount = Field(
        Amount(100, percent=True), description="Hosts in each batch after it.", examples=["50%"]
    )
    watch: Pause = Field(
        timedelta(minutes=1), description="How long the first batch is watched.", examples=["2m"]
    )


def _strategy_kind(value: object) -> str | None:
    kind = value.get("kind") if isinstance(value, dict) else None
    return f"§{kind}" if kind in STRATEGIES else None


STRATEGIES = ("rolling", "canary")
StrategyRule = Annotated[
    Annotated[Rolling, Tag("§rolling")] | Annotated[Canary, Tag("§canary")],
    Discriminator(
        _strategy_kind,
        custom_error_type="kind",
        custom_error_message="a table { kind = 'rolling', … } or { kind = 'canary', … }",
        custom_error_context={"noun": "strategy", "kinds": " ".join(STRATEGIES)},
    ),
]


class Approval(Model):
    """Who must agree before a deployment begins."""

    source: ApproverOrList | None = Field(
        None,
        alias="from",
        description="Who may approve: `team:NAME`, `role:NAME`, a person's handle, or a list of these; whoever may approve "
        "at all (developers) if absent.",
        examples=["team:storefront"],
    )
    count: Annotated[int, Field(ge=1, le=20)] = Field(
        1, description="How many different people must approve.", examples=[2]
    )
    comment: bool = Field(False, description="An approval needs a comment.", examples=[True])
    expires: Duration = Field(
        timedelta(hours=24), description="After this time an approval no longer counts.", examples=["4h"]
    )
    not_own: bool = Field(
        False,
        description="Whoever asked for the deployment, pushed its commit or wrote it cannot approve it.",
        examples=[True],
    )


class EnvironmentTable(Model):
    """A place where releases run."""

    hosts: TextOrList = Field(
        description="Its hosts: a host, `group:NAME`, `label:NAME=VALUE`, or a list of these.",
        examples=["group:web"],
    )
    strategy: StrategyRule = Field(
        Rolling.model_validate({"kind": "rolling"}),
        description="In which order the hosts are switched. One host after another if absent.",
        examples=[{"kind": "canary", "first": 1, "then": "50%", "watch": "2m"}],
    )
    when: Text | None = Field(
        None,
        description="Which releases may come here, in the `when` language; all if absent.",
        examples=["branch == 'main'"],
    )
    after: Text | None = Field(
        None, description="The environment that a release must have reached before.", examples=["staging"]
    )
    after_recorded: bool = Field(
        False,
        description="Whether a deployment there that another system did, and told of (`headway deployment record`), "
        "counts for `after`. Headway has not seen that it is true.",
        examples=[True],
    )
    promote: Literal["ask", "automatic"] = Field(
        "ask", description="Whether a person says when a release goes on to here.", examples=["ask"]
    )
    approval: Approval | None = Field(
        None,
        description="Who must agree before each deployment; nobody if absent.",
        examples=[{"from": "team:storefront"}],
    )
    secrets: list[Variable] = Field(
        [],
        description="Names of secrets that the processes get as environment variables.",
        examples=[["DATABASE_URL"]],
    )
    env: Environment = Field(
        {},
        description="Environment variables of the processes.",
        examples=[{"LOG_LEVEL": "info"}],
    )
    root: RootPath | None = Field(
        None, description="Another folder on the hosts than `deploy.root`.", examples=["/srv/shop-staging"]
    )
    production: bool | None = Field(
        None,
        description="Whether the delivery metrics count it; the environment named `production` if absent.",
        examples=[True],
    )
    processes: dict[Name, TextOrList] = Field(
        {},
        description="Other hosts for a process in this environment.",
        examples=[{"worker": "group:staging"}],
    )


class Host(Model):
    """A machine that is reached by SSH."""

    address: Text | None = Field(
        None,
        description="Its name or address for SSH, or an alias of `~/.ssh/config`; the host's own name if absent.",
        examples=["10.0.0.11"],
    )
    port: Annotated[int, Field(ge=1, le=65535)] | None = Field(
        None, description="SSH port; as `~/.ssh/config` says, else 22.", examples=[2222]
    )
    user: Text | None = Field(
        None, description="SSH user; as `~/.ssh/config` says, else your own name.", examples=["deploy"]
    )
    labels: dict[Label, Text] = Field(
        {},
        description="Words of your own; `{labels.NAME}` puts them into commands.",
        examples=[{"zone": "a"}],
    )
