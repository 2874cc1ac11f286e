"""What the shape cannot say: names that must exist, cycles, placeholders, limits. Reads the raw document, so that
these faults come together with those of the shape; whatever has the wrong shape is passed over here.
"""

from collections.abc import Iterator

from headway.domain.selection import Places
from headway.wire.contract.meaning_delivery import delivery_problems
from headway.wire.contract.meaning_hosts import host_problems, same_name_problems, with_hosts_of
from headway.wire.contract.meaning_jobs import job_problems
from headway.wire.contract.meaning_pipeline import pipeline_problems
from headway.wire.strict.faults import Problem
from headway.wire.strict.raw import Table


def problems_of_meaning(document: Table, elsewhere: Places | None = None) -> Iterator[Problem]:
    """All faults of meaning, in no order. `elsewhere`: the server's own hosts and groups, where a server reads."""
    if elsewhere is not None:
        yield from same_name_problems(document, elsewhere)
        document = with_hosts_of(document, elsewhere)
    yield from pipeline_problems(document)
    yield from job_problems(document)
    yield from host_problems(document)
    yield from delivery_problems(document)
