"""The shape of `[service]` and `[jobs]`. Descriptions are the manual: docs/configuration.md is made of them."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, Tag

from headway.domain.job import DEFAULT_OUTPUT_LIMIT, DEFAULT_TIMEOUT
from headway.wire.contract.values import (
    Environment,
    PassedVariable,
    PathOrList,
    RelativePath,
    Shell,
    Size,
    Variable,
)
from headway.wire.strict.model import Model
from headway.wire.strict.values import LIST, NUMBER, TABLE, TEXT, Duration, Name, Text, either


class Service(Model):
    """What is delivered."""

    name: Name = Field(
        description="The service's name; part of paths on hosts, of releases and of messages.",
        examples=["shop"],
    )
    team: Text | None = Field(
        None, description="The team that owns the service. Kept for people.", examples=["storefront"]
    )
    runbook: Text | None = Field(
        None,
        description="Where one reads what to do when it hurts: a path or an address.",
        examples=["docs/runbook.md"],
    )
    description: Text | None = Field(
        None, description="One sentence about the service.", examples=["The shop's pages and basket."]
    )


class Step(Model):
    """One command of a job in its own shell."""

    run: Text = Field(
        description="The script. Nothing in it is replaced: values arrive as environment variables.",
        examples=["pytest -q"],
    )
    name: Text | None = Field(
        None, description="Shown instead of the script's first line.", examples=["unit tests"]
    )
    env: Environment = Field({}, description="Variables of this step only.", examples=[{"TZ": "UTC"}])
    working_directory: RelativePath | None = Field(
        None,
        description="Folder of this step, relative to the repository's top; the job's if absent.",
        examples=["web"],
    )
    shell: Shell | None = Field(
        None,
        description="The program that reads this step's script, as text or a list of words.",
        examples=["bash -eu"],
    )


RetriedState: TypeAlias = Literal["errored", "failed"]


class Retry(Model):
    """Further attempts at a job."""

    max: Annotated[int, Field(ge=0, le=10)] = Field(
        description="How many further attempts there may be, 0 to 10.", examples=[2]
    )
    on: list[RetriedState] = Field(
        ["errored"],
        min_length=1,
        description="Ends of an attempt that are tried again: `errored` (the platform's doing), `failed` (yours).",
        examples=[["errored", "failed"]],
    )


class Concurrency(Model):
    """A group whose members wait for one another."""

    group: Name = Field(description="The group's name; groups reach across services.", examples=["gpu"])
    limit: Annotated[int, Field(ge=1, le=1000)] = Field(
        1, description="How many may be under way at a time.", examples=[2]
    )


ConcurrencyRule = Annotated[
    Annotated[Name, Tag(TEXT)] | Annotated[Concurrency, Tag(TABLE)],
    either(TEXT, TABLE, allowed="text or a table { group, limit }"),
]
Priority = Annotated[int, Field(ge=-100, le=100)]


class Reports(Model):
    """Files in which a job says what it found."""

    junit: PathOrList | None = Field(
        None,
        description="JUnit XML reports: a glob or a list of globs. Failed cases are shown first in the run's summary.",
        examples=["report.xml"],
    )


Run = Annotated[
    Annotated[Text, Tag(TEXT)]
    | Annotated[Step, Tag(TABLE)]
    | Annotated[
        list[
            Annotated[
                Annotated[Text, Tag(TEXT)] | Annotated[Step, Tag(TABLE)],
                either(TEXT, TABLE, allowed="text or a table { name, run, … }"),
            ]
        ],
        Tag(LIST),
        Field(min_length=1),
    ],
    either(TEXT, LIST, TABLE, allowed="text, a table { name, run, … } or a list of these"),
]
RetryRule = Annotated[
    Annotated[int, Tag(NUMBER), Field(ge=0, le=10)] | Annotated[Retry, Tag(TABLE)],
    either(NUMBER, TABLE, allowed="a whole number or a table { max, on }"),
]


class Job(Model):
    """A node of the pipeline, on one machine."""

    run: Run = Field(
        description="What is run. Text is one step; a list is one step an item, each in its own `sh -eu` in the "
        "job's folder, so `cd` and `export` do not carry over.",
        examples=[["make lint", {"name": "unit tests", "run": "make test"}]],
    )
    needs: list[Text] = Field(
        [],
        description="Jobs that must have succeeded before this one starts.",
        examples=[["test"]],
    )
    matrix: dict[Variable, Annotated[list[Text], Field(min_length=1)]] = Field(
        {},
        description="One job for each combination of the axes' values. A value arrives as `MATRIX_` and the axis in "
        "capitals.",
        examples=[{"python": ["3.11", "3.12"]}],
    )
    env: Environment = Field({}, description="Environment variables of all steps.", examples=[{"TZ": "UTC"}])
    pass_env: list[PassedVariable] = Field(
        [],
        description="Variables of whoever calls Headway that the steps get besides the short list that every job gets "
        "(PATH, HOME, locale, proxies and the like). One that is not set there is not set in the job. A server hands out "
        "only those that it was told to.",
        examples=[["JAVA_HOME", "DOCKER_HOST"]],
    )
    secrets: list[Variable] = Field(
        [],
        description="Names of secrets that the steps get as environment variables; masked in the log.",
        examples=[["PYPI_TOKEN"]],
    )
    timeout: Duration = Field(
        DEFAULT_TIMEOUT,
        description="Longest time of one attempt; one that takes longer is ended, and *failed*.",
        examples=["20m"],
    )
    idle_timeout: Duration | None = Field(
        None,
        description="Longest silence of one attempt; one that says nothing for longer is ended, and *failed*. No bound if absent.",
        examples=["5m"],
    )
    retry: RetryRule | None = Field(
        None,
        description="Further attempts. A number means that many when the platform failed (`errored`).",
        examples=[{"max": 2, "on": ["errored", "failed"]}],
    )
    allow_failure: bool = Field(
        False, description="The run may succeed though this job failed.", examples=[True]
    )
    when: Text | None = Field(
        None,
        description="The condition under which the job runs at all, in the `when` language; always if absent.",
        examples=["branch == 'main' and changed('src/**')"],
    )
    artifacts: list[RelativePath] = Field(
        [],
        description="Files to keep, as globs; a folder's name takes all in it. They make up the release. A glob that "
        "finds nothing makes the job fail.",
        examples=[["dist/shop.tar.gz"]],
    )
    reports: Reports = Field(
        Reports(junit=None), description="Reports to read.", examples=[{"junit": "report.xml"}]
    )
    working_directory: RelativePath | None = Field(
        None, description="Folder of all steps, relative to the repository's top.", examples=["backend"]
    )
    shell: Shell = Field(
        ["sh", "-eu"],
        description="The program that reads the scripts, as text or a list of words; the script's path is appended.",
        examples=["bash -euo pipefail"],
    )
    output_limit: Size = Field(
        DEFAULT_OUTPUT_LIMIT,
        description="What an attempt may print before the rest is dropped; the log says so and the job goes on.",
        examples=["16MiB"],
        json_schema_extra={"default": f"{DEFAULT_OUTPUT_LIMIT // 2**20}MiB"},
    )
    concurrency: ConcurrencyRule | None = Field(
        None,
        description="On a server, of all jobs in the group, whatever their run and service, at most `limit` are under way "
        "at a time. Text is the group, with limit 1.",
        examples=[{"group": "gpu", "limit": 2}],
    )
    slots: Annotated[int, Field(ge=1, le=1000)] = Field(
        1, description="How many of its builder's slots the job takes on a server.", examples=[2]
    )
    priority: Priority = Field(
        0,
        description="Among jobs that wait for slots the higher starts first, from -100 to 100; it comes on top of the "
        "pipeline's.",
        examples=[10],
    )
