"""The shape of headway.toml as a whole."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from headway.wire.contract.shape_delivery import Deploy, EnvironmentTable, Host, Process
from headway.wire.contract.shape_jobs import Job, Service
from headway.wire.contract.shape_pipeline import Parameter, Pipeline, Triggers
from headway.wire.contract.values import RelativePath, Target, Variable
from headway.wire.strict.model import Model
from headway.wire.strict.values import Duration, Name, Text


class Indicator(Model):
    """What is measured. Its further keys belong to its kind."""

    model_config = ConfigDict(strict=True, frozen=True, extra="allow")

    kind: Text = Field(description="Kind of the source.", examples=["http"])


class Objective(Model):
    """How good the service shall be for its users. Read and checked; nothing acts on it yet."""

    target: Target = Field(description="Share of good events.", examples=["99.9%"])
    window: Duration = Field(description="The time over which it is counted.", examples=["28d"])
    indicator: Indicator = Field(
        description="What is measured.",
        examples=[{"kind": "http", "url": "https://shop.example/health", "every": "10s"}],
    )


class Oncall(Model):
    """Who is called. Read and checked; nothing acts on it yet."""

    policy: Text = Field(description="Name of the escalation policy.", examples=["storefront"])


class ContractFile(Model):
    """headway.toml: the contract between a service and Headway."""

    contract: Literal[1] = Field(description="The number of this format; always 1.", examples=[1])
    service: Service = Field(description="What is delivered.")
    services: list[RelativePath] = Field(
        [],
        description="In a repository of several services: their folders. Read and checked; nothing acts on it yet.",
        examples=[["shop", "billing"]],
    )
    triggers: Triggers = Field(
        Triggers.model_validate({}), description="What makes a server begin a run by itself."
    )
    parameters: dict[Variable, Parameter] = Field({}, description="Values for manual runs by name.")
    pipeline: Pipeline = Field(
        Pipeline.model_validate({}), description="How the runs wait for one another on a server."
    )
    jobs: dict[Name, Job] = Field({}, description="The pipeline's jobs by name.")
    deploy: Deploy | None = Field(None, description="How a release gets to its hosts.")
    processes: dict[Name, Process] = Field(
        {}, description="Further processes by name, beside the one of `[deploy]`."
    )
    environments: dict[Name, EnvironmentTable] = Field({}, description="Environments by name.")
    hosts: dict[Name, Host] = Field({}, description="Hosts by name.")
    groups: dict[Name, Annotated[list[Text], Field(min_length=1)]] = Field(
        {},
        description="Names for sets of hosts: `group:NAME` stands for them.",
        examples=[{"web": ["web1", "web2"]}],
    )
    objectives: dict[Name, Objective] = Field({}, description="Objectives by name.")
    oncall: Oncall | None = Field(None, description="Who is called.")
