"""What follows from a green release and from a good deployment: which environments are next, and whether by themselves.

The rule. An environment `after` another one is next once a release has succeeded there: by itself when it says
`promote = "automatic"` and no floor wants a person to ask, else it is offered to people. An environment with a `when`
and no `after` takes each green release of a push or a tag for which `when` holds, by itself. Any other environment
waits for a person. Nothing goes anywhere by itself that brings no new commit, and no release twice.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from headway.deploy.guards import Guards
from headway.domain.contract import EnvironmentSpec, Promote
from headway.domain.run import TriggerEvent

#: Runs whose green releases go on by themselves. Pull requests and tries make none; whoever starts one by hand deploys by hand.
BY_THEMSELVES = frozenset({TriggerEvent.PUSH, TriggerEvent.TAG, TriggerEvent.RERUN})


@dataclass(frozen=True, slots=True)
class Follow:
    """An environment that is next."""

    environment: str
    #: False: it is offered, and a person asks.
    by_itself: bool
    #: What makes two of them one: a release goes to an environment for one cause once.
    cause: str
    #: One clause for a person: why it goes, or why a person has to ask.
    reason: str


def after_deployment(
    environments: Mapping[str, EnvironmentSpec], guards: Mapping[str, Guards], succeeded_in: str
) -> tuple[Follow, ...]:
    """What is next once a release has succeeded in `succeeded_in`. `guards` by environment."""
    return tuple(
        _follow(
            spec.name,
            f"after {succeeded_in}",
            f"succeeded in {succeeded_in}",
            guards[spec.name],
            wants_person=spec.promote is not Promote.AUTOMATIC,
        )
        for spec in environments.values()
        if spec.after == succeeded_in
    )


def after_release(
    environments: Mapping[str, EnvironmentSpec],
    guards: Mapping[str, Guards],
    when: Mapping[str, tuple[bool, str]],
) -> tuple[Follow, ...]:
    """What is next once a run is green. `when` says for each environment that has one whether it holds, and why."""
    return tuple(
        _follow(spec.name, "green", f"green, and {when[spec.name][1]}", guards[spec.name])
        for spec in environments.values()
        if spec.when is not None and spec.after is None and when[spec.name][0]
    )


def _follow(
    environment: str, cause: str, reason: str, guards: Guards, *, wants_person: bool = False
) -> Follow:
    if wants_person:
        return Follow(environment, False, cause, f'{reason}; headway.toml does not say promote = "automatic"')
    if guards.ask or guards.deployers:
        return Follow(environment, False, cause, f"{reason}; org.toml wants a person to ask")
    return Follow(environment, True, cause, reason)


@dataclass(frozen=True, slots=True)
class Offer:
    """A release that a person may send on: it is live in `after`, and not in `environment`."""

    environment: str
    after: str
    release: str


def offers(environments: Iterable[EnvironmentSpec], live: Mapping[str, str]) -> tuple[Offer, ...]:
    """`live` is the release that is live in each environment that has one."""
    return tuple(
        Offer(spec.name, spec.after, live[spec.after])
        for spec in environments
        if spec.after is not None and spec.after in live and live[spec.after] != live.get(spec.name)
    )
