"""The shape of `[triggers]`, `[parameters]` and `[pipeline]`: what a server begins by itself, and in which order."""

from typing import Annotated, Literal

from pydantic import Field, Tag

from headway.wire.contract.shape_jobs import ConcurrencyRule, Priority
from headway.wire.contract.values import Cron
from headway.wire.strict.model import Model
from headway.wire.strict.values import BOOLEAN, LIST, NUMBER, TABLE, TEXT, Name, RefGlob, Text, Zone, either

#: A value of a parameter as TOML writes it.
ParameterValue = Annotated[
    Annotated[str, Tag(TEXT)] | Annotated[int | float, Tag(NUMBER)] | Annotated[bool, Tag(BOOLEAN)],
    either(TEXT, NUMBER, BOOLEAN, allowed="text, a number, true or false"),
]


class Push(Model):
    """Which pushes to branches begin a run."""

    branches: list[RefGlob] = Field(
        [],
        min_length=1,
        description="Globs of branches; each branch if absent. `*` stays within a part of the name, `**` crosses `/`, "
        "a later `!GLOB` takes out again.",
        examples=[["main", "release/*"]],
    )
    paths: list[Text] = Field(
        [],
        min_length=1,
        description="Globs of files, as in git's ignore files: only a push that changed one of them. A push of which "
        "nobody knows what it changed counts.",
        examples=[["src/**", "pyproject.toml"]],
    )


class PullRequests(Model):
    """Which pull or merge requests begin a run, when they are opened and at each push to them."""

    base: list[RefGlob] = Field(
        min_length=1,
        description="Globs of the branches that they are to be merged into.",
        examples=[["main"]],
    )


class CronEntry(Model):
    """A run by the clock."""

    name: Name = Field(description="What it is called on the pages; unique.", examples=["nightly"])
    at: Cron = Field(
        description="Minute, hour, day of the month, month, day of the week, as cron reads them. A time that the clock "
        "leaves out in spring runs right after the change, one that comes twice in autumn runs once; with `*` in minute or "
        "hour it goes by the clock.",
        examples=["0 3 * * *"],
    )
    zone: Zone = Field("UTC", description="The time zone in which `at` is meant.", examples=["Europe/Berlin"])
    branch: Text | None = Field(
        None, description="The branch that is run; the default branch if absent.", examples=["main"]
    )
    parameters: dict[Name, ParameterValue] = Field(
        {}, description="Values of `[parameters]` for this run.", examples=[{"level": "full"}]
    )


PushRule = Annotated[
    Annotated[bool, Tag(BOOLEAN)] | Annotated[Push, Tag(TABLE)],
    either(BOOLEAN, TABLE, allowed="true, false or a table { branches, paths }"),
]
TagRule = Annotated[
    Annotated[bool, Tag(BOOLEAN)] | Annotated[list[RefGlob], Tag(LIST), Field(min_length=1)],
    either(BOOLEAN, LIST, allowed="true, false or a list of globs"),
]
PullRequestRule = Annotated[
    Annotated[bool, Tag(BOOLEAN)] | Annotated[PullRequests, Tag(TABLE)],
    either(BOOLEAN, TABLE, allowed="true, false or a table { base }"),
]


class Triggers(Model):
    """What makes a server begin a run by itself. Each key has its default whether the others stand there or not."""

    push: PushRule = Field(
        True,
        description="Pushes to branches: all, none, or those that fit.",
        examples=[{"branches": ["main", "release/*"], "paths": ["src/**"]}],
    )
    tags: TagRule = Field(True, description="New tags: all, none, or those that fit.", examples=[["v*"]])
    pull_requests: PullRequestRule = Field(
        True,
        description="Pull or merge requests: all, none, or those that fit. One from another repository waits until "
        "somebody approves it, and never sees a secret.",
        examples=[{"base": ["main"]}],
    )
    cron: list[CronEntry] = Field(
        [],
        description="Runs by the clock. Those of the default branch's file count.",
        examples=[[{"name": "nightly", "at": "0 3 * * *", "zone": "Europe/Berlin"}]],
    )
    releases: list[Name] = Field(
        [],
        description="Other services: each green release of one of them (of one without `[deploy]`: each green run) begins a run of the default branch.",
        examples=[["library"]],
    )


class Parameter(Model):
    """A value that whoever begins a run by hand may give. Steps find it in the variable `PARAMETER_` and the name in
    capitals."""

    type: Literal["text", "number", "boolean", "choice"] = Field(
        "text", description="The kind of value.", examples=["choice"]
    )
    default: ParameterValue | None = Field(
        None,
        description="The value when none was given; without one the variable is not set.",
        examples=["quick"],
    )
    choices: list[Text] = Field(
        [],
        min_length=1,
        description="Type `choice`: the values to choose from.",
        examples=[["quick", "full"]],
    )
    description: Text | None = Field(
        None, description="What the page says beside it.", examples=["How much is tested."]
    )
    required: bool = Field(False, description="It must be given: there is no default.", examples=[True])


class Pipeline(Model):
    """How the runs of this service wait for one another on a server."""

    concurrency: ConcurrencyRule | None = Field(
        None,
        description="Of all runs in the group, whatever their service, at most `limit` are under way at a time. Text is "
        "the group, with limit 1.",
        examples=[{"group": "shop-deploy", "limit": 1}],
    )
    priority: Priority = Field(
        0, description="Runs that wait: the higher starts first, from -100 to 100.", examples=[10]
    )
    superseded: Literal["collapse", "keep"] = Field(
        "collapse",
        description="Queued runs of a branch that a newer push overtakes: `collapse` runs the newest alone, `keep` runs "
        "each.",
        examples=["keep"],
    )
    cancel_running: bool = Field(
        False, description="A newer push cancels running runs of its branch as well.", examples=[True]
    )
