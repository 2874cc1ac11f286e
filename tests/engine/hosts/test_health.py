"""How often a host is asked for its health, and what of it is a verdict."""

from collections.abc import Sequence
from datetime import timedelta
from typing import cast

import pytest

from headway.deploy.plan import HostPlan, Plan
from headway.domain.contract import ANY_ANSWER, HealthCheck, HealthKind
from headway.engine.hosts.health import Health, Seen, _Asked
from headway.engine.hosts.link import HostLink
from tests.support.clocks import HandClock

BAD, GOOD, STILL = "bad", "good", "stood still"


async def asked(answers: Sequence[str], *, successes: int = 1) -> tuple[Seen, int]:
    """Within 10 s, each second; each answer takes one, `STILL` as long as this process was stopped before it came."""
    clock, left = HandClock(), list(answers)
    health = Health(cast(Plan, None), cast(HostPlan, None), cast(HostLink, None), clock, ())

    async def ask(_: _Asked) -> tuple[bool, str]:
        answer = left.pop(0)
        clock.pass_(timedelta(seconds=36 if answer == STILL else 1))
        return answer == GOOD, answer

    check = HealthCheck(
        HealthKind.COMMAND,
        "true",
        interval=timedelta(seconds=1),
        within=timedelta(seconds=10),
        timeout=timedelta(seconds=2),
        successes=successes,
    )
    health._ask = ask  # type: ignore[method-assign]
    seen = await health._until_good(_Asked("main", check, "true", ANY_ANSWER))
    return seen, len(answers) - len(left)


async def test_a_service_has_its_time_to_come_up() -> None:
    assert (await asked([BAD] * 5 + [GOOD]))[0].good
    seen, count = await asked([BAD] * 99)
    assert (seen.good, count) == (False, 6)
    assert seen.line.endswith("bad (for 10s)")


@pytest.mark.parametrize("before", range(5))
async def test_who_stood_still_asks_again_before_he_judges(before: int) -> None:
    seen, _ = await asked([BAD] * before + [STILL, GOOD, GOOD], successes=2)
    assert seen.good
    seen, count = await asked([BAD] * before + [STILL] + [BAD] * 99)
    assert not seen.good
    assert count < 12
