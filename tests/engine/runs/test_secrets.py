"""Which secrets the jobs of a run have in their hands, with the real runner."""

from dataclasses import replace

from headway.domain.people import Actor, Role
from headway.domain.run import Trigger, TriggerEvent
from headway.domain.secrets import service_scope, team_scope
from headway.domain.states import State
from headway.drivers.runner.local import LocalRunner
from headway.engine.runs.drive import ready
from headway.engine.runs.runs import Tools
from headway.engine.secrets.vault import open_vault, stored_secrets
from tests.support.clocks import NOON
from tests.support.workshop import Workshop

ANA = Actor("ana", Role.ADMINISTRATOR)
PRINTS = """
team = "storefront"
[jobs.a]
secrets = ["A", "OF_TEAM"]
run = 'echo "[${A:-nothing}] [${OF_TEAM:-nothing}]"; printf %s "${A:-}" | wc -c'
[jobs.b]
needs = ["a"]
run = 'echo "[${A:-nothing}]"'
"""


def keep(workshop: Workshop) -> Tools:
    """Stores the two secrets; the tools of a server on this data folder."""
    workshop.write(PRINTS)
    tools = workshop.tools()
    vault = open_vault(workshop.settings, create=True)

    def work(tx):  # type: ignore[no-untyped-def]
        vault.put(tx, service_scope("shop"), "A", "hunter2hunter2", ANA, NOON)
        vault.put(tx, team_scope("storefront"), "OF_TEAM", "teamteam", ANA, NOON)

    tools.database.transact(work)
    return replace(
        tools, settings=replace(tools.settings, stored_secrets=stored_secrets(vault, tools.database))
    )


async def test_a_job_has_what_it_names_and_no_other_has_it(workshop: Workshop) -> None:
    keep(workshop)
    ended = await workshop.run()
    assert ended.log("a") == b"[[secret]] [[secret]]\n14\n"
    assert ended.log("b") == b"[nothing]\n"


async def test_the_run_of_a_fork_goes_without(workshop: Workshop) -> None:
    tools = keep(workshop)
    begun = workshop.begin(workshop.tools())
    trigger = Trigger(TriggerEvent.PULL_REQUEST, "k", "repo-1", fork=True, approved_by="ana", pull_request=7)
    of_fork = replace(begun, run=replace(begun.run, trigger=trigger))
    run = await ready(tools, LocalRunner(workshop.settings.environment), of_fork, limit=4).run()
    assert run.state is State.SUCCEEDED
    assert workshop.ended(tools, run).log("a") == b"[nothing] [nothing]\n0\n"
