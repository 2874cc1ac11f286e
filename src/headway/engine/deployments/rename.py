"""An environment gets another name, and keeps its roots, what stands there, and its history.

NotRenamed    2   the file does not say so, something else has the new name or the root, or there is nothing to rename
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from headway.base.errors import Errored, WrongUse
from headway.base.ids import new_id
from headway.base.secret import last_lines
from headway.deploy.record import renamed_script
from headway.domain.contract import Contract
from headway.domain.people import Actor
from headway.engine.audit import record
from headway.engine.deployments.hold import Hold, World
from headway.engine.deployments.plan import environment_of, host_plans
from headway.engine.hosts.link import HostLink, HostRefused, whose_root
from headway.store import deployments as rows
from headway.store.database import Database, Transaction
from headway.store.standings import rename_standings, standings_of

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


class NotRenamed(WrongUse):
    http_status = 409


@dataclass(frozen=True, slots=True)
class Renaming:
    service: str
    old: str
    new: str


async def rename_environment(
    world: World, database: Database, actor: Actor, contract: Contract, *, old: str, new: str
) -> tuple[str, ...]:
    """The hosts that have the new name now. `contract` is the file that declares `new` and no longer `old`.

    Needs every host of `new`. Called again after it was killed, it goes on: a host that has the new name is left.
    Raises UnknownEnvironment, NotRenamed, Held, HostsOfOthers, and what the hosts raise.
    """
    renaming = Renaming(contract.service.name, old, new)
    spec = environment_of(contract, new)
    if old in contract.environments or not _NAME.fullmatch(old):
        raise NotRenamed(
            f"headway.toml still names {old}" if old in contract.environments else f"'{old[:60]}' is no name",
            hint=f"rename it in headway.toml first: [environments.{new}] in place of [environments.{old}]",
        )
    holds = [
        Hold(world, renaming.service, name, f"renames {old} to {new}", database)
        for name in sorted((old, new))
    ]
    try:
        for hold in holds:
            await hold.claim()
        known = await database.fetch(lambda tx: _require_free(tx, renaming, production=spec.production))
        links = await world.links(renaming.service, host_plans(contract, spec))
        lock = await holds[-1].take_hosts(links, new_id("dep", world.clock.now()))
        to_rename = _of_old(links, renaming)
        if not to_rename and not known:
            raise NotRenamed(f"nothing is known of {old}, and no host of {new} says that it is {old}'s")
        for link in to_rename:
            await _rename_on(link, lock.token, renaming)
        now = world.clock.now()
        await database.perform(lambda tx: _rename_rows(tx, actor, renaming, now))
    finally:
        for hold in reversed(holds):
            await hold.let_go()
    return tuple(link.name for link in links)


def _require_free(tx: Transaction, renaming: Renaming, *, production: bool) -> bool:
    """Whether anything is known of the old name. Raises NotRenamed."""
    service, old, new = renaming.service, renaming.old, renaming.new
    if rows.unfinished(tx, service, old):
        raise NotRenamed(f"a deployment to {old} goes on", hint=f"wait for its end: headway status {old}")
    # What another system tells, it may tell of its own making: only where nothing of ours is does it say anything.
    last = rows.latest(tx, service, old, ours=True) or rows.latest(tx, service, old)
    if last is not None and standings_of(tx, service, new):
        raise NotRenamed(
            f"{new} has hosts of its own already",
            hint=f"give it another name than {new}, or {old} another root",
        )
    if last is not None and last.production and not production:
        raise NotRenamed(
            f"{old} is production, and {new} is not: that would take its guards away",
            hint=f"write production = true into [environments.{new}]",
        )
    return last is not None


def _of_old(links: Sequence[HostLink], renaming: Renaming) -> list[HostLink]:
    """Raises HostRefused for a root that is neither's."""
    service, old, new = renaming.service, renaming.old, renaming.new
    told = {link.name: whose_root(link.record) for link in links}
    for link in links:
        if told[link.name] not in (None, (service, old), (service, new)):
            whose = "/".join(told[link.name] or ())
            raise HostRefused(f"{link.root} on {link.name} is the root of {whose}, not of {service}/{old}")
    return [link for link in links if told[link.name] == (service, old)]


async def _rename_on(link: HostLink, token: int, renaming: Renaming) -> None:
    assert link.record.deployed is not None
    script = renamed_script(link.root, token, link.record.deployed, renaming.old, renaming.new)
    reply = await link.call(script)
    if reply.exit_code != 0:
        said = reply.output.decode("utf-8", "replace").strip()
        raise Errored(
            f"{link.name} could not be renamed: {last_lines(said, 300) or f'exit {reply.exit_code}'}",
            hint="call it again",
        )


def _rename_rows(tx: Transaction, actor: Actor, renaming: Renaming, now: datetime) -> None:
    service, old, new = renaming.service, renaming.old, renaming.new
    rows.rename_environment(tx, service, old, new)
    rename_standings(tx, service, old, new)
    record(
        tx, actor, "deployment.rename", f"{service}/{new}", {"environment": old}, {"environment": new}, now
    )
