"""What the shape cannot say: names that must exist, cycles, placeholders, limits. Reads the raw document, so that
these faults come together with those of the shape; whatever has the wrong shape is passed over here.
"""

from collections.abc import Iterator
from typing import Any

from headway.wire.contract.meaning_delivery import delivery_problems
from headway.wire.contract.meaning_hosts import host_problems
from headway.wire.contract.meaning_jobs import job_problems
from headway.wire.contract.meaning_pipeline import pipeline_problems
from headway.wire.strict.faults import Problem


def problems_of_meaning(document: dict[str, Any]) -> Iterator[Problem]:
    """All faults of meaning, in no order."""
    yield from pipeline_problems(document)
    yield from job_problems(document)
    yield from host_problems(document)
    yield from delivery_problems(document)
