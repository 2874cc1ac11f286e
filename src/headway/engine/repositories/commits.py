"""What a server reads of a repository: the commits that arrived, their headway.toml, the paths that changed. Blocks."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from headway.base.errors import HeadwayError
from headway.domain.commit import Commit
from headway.domain.contract import Contract
from headway.domain.intake import Arrival, ArrivalKind, Repository
from headway.domain.org import Org
from headway.domain.places import is_of_org
from headway.domain.run import FileFault
from headway.drivers.git.bare import Bare, FileTooLarge, create_bare
from headway.drivers.git.process import UnknownCommit
from headway.drivers.git.remote import RemoteTooLarge, RemoteUnsafe
from headway.engine.projects import CONTRACT_FILE, decode_contract
from headway.pipeline.strangers import as_stranger
from headway.pipeline.when import few_enough
from headway.wire.contract import ContractInvalid, read_contract

log = logging.getLogger("headway.intake")

#: A headway.toml of more bytes than this is somebody's mistake.
_MOST_BYTES = 1 << 20
_NONE: Mapping[str, Commit] = {}
#: Refs that only somebody who may push to the repository moves.
_OWN = ("refs/heads/", "refs/tags/")
#: Faults shown of one file.
_MOST_FAULTS = 50


@dataclass(frozen=True, slots=True)
class CommitFile:
    """The headway.toml of one commit: values, or faults, or why there is nothing to run."""

    #: The bare repository's folder.
    folder: str
    commit: Commit | None
    contract: Contract | None = None
    text: str = ""
    faults: tuple[FileFault, ...] = ()
    missing: str = ""
    #: The service's name; of a file that cannot be read the one that was known before.
    service: str = ""
    #: It is the default branch's.
    is_default: bool = False
    #: The team that its word may make the repository's: none of org.toml's, for that an administrator says.
    team: str | None = None


#: Brings refs (whole names) of a repository into its folder, at most so many bytes of objects (None: all). Raises the
#: errors of `drivers.git.remote`.
Fetch = Callable[[Repository, Path, Sequence[str], int | None], None]
#: What may come for a pull request, which anybody may open: as much as in a push.
MOST_OF_A_STRANGER = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Reader:
    #: Repository -> folder of its bare repository.
    folder: Callable[[str], Path]
    fetch: Fetch
    #: The hosts and groups of org.toml, which files may name.
    places: Callable[[], Org | None] = lambda: None
    environment: Mapping[str, str] = field(repr=False, default_factory=dict)

    def bare(self, repository: Repository) -> Bare:
        return create_bare(self.folder(repository.id), repository.default_branch or "main", self.environment)

    def bring(self, repository: Repository, arrivals: Sequence[Arrival]) -> None:
        """Have their commits here, as far as they still exist."""
        bare = self.bare(repository)
        if not repository.url:
            return
        last = {arrival.ref: arrival for arrival in arrivals}
        for ref, arrival in last.items():
            if arrival.kind is ArrivalKind.DELETE:
                bare.remove(ref)
        wanted = {arrival.after for arrival in arrivals if arrival.after}
        if wanted <= bare.known(wanted):
            return
        refs = dict.fromkeys(arrival.ref for arrival in arrivals if arrival.after and arrival.after in wanted)
        own = [ref for ref in refs if ref.startswith(_OWN)]
        if own:
            self.fetch(repository, bare.folder, own, None)
        for ref in (ref for ref in refs if not ref.startswith(_OWN)):
            try:
                self.fetch(repository, bare.folder, [ref], MOST_OF_A_STRANGER)
            except (RemoteTooLarge, RemoteUnsafe) as error:
                # What a stranger sends must not keep the repository's own pushes waiting: it is looked at no more.
                log.warning("%s: %s is not taken in: %s", repository.name, ref, error.message)

    def commits(self, repository: Repository, arrivals: Sequence[Arrival]) -> Mapping[str, Commit]:
        """All of theirs that are here, at once: hundreds of pushes may lie here together."""
        return self.bare(repository).commits({arrival.after for arrival in arrivals if arrival.after})

    def read(
        self, repository: Repository, arrival: Arrival, commits: Mapping[str, Commit] = _NONE
    ) -> CommitFile:
        """The file of the arrival's commit, which may be among `commits`. What is wrong with it is in the answer, never
        raised."""
        bare = self.bare(repository)
        folder = str(bare.folder)
        commit = self.commit(repository, arrival, commits)
        if commit is None:
            gone = (
                "its commit is not there any more: the branch was deleted or forced elsewhere, or it was refused (a fork's "
                f"pull request of more than {MOST_OF_A_STRANGER // 2**20} MiB, a commit of more than 16 MiB: see the server's log)"
            )
            return CommitFile(folder, None, missing=gone)
        name = arrival.ref.removeprefix("refs/heads/")
        is_default = arrival.ref.startswith("refs/heads/") and name == (
            repository.default_branch or bare.default_branch
        )
        file = read_file(repository, bare, commit, is_default=is_default, elsewhere=self.places())
        asked = arrival.pull_request
        if file.contract is not None and asked is not None and asked.fork:
            contract = as_stranger(file.contract, repository, asked.number)
            return replace(file, contract=contract, service=contract.service.name)
        return file

    def commit(
        self, repository: Repository, arrival: Arrival, commits: Mapping[str, Commit] = _NONE
    ) -> Commit | None:
        """None where it is not there any more."""
        if arrival.after is None:
            return None
        if (known := commits.get(arrival.after)) is not None:
            return known
        bare = self.bare(repository)
        try:
            return bare.commit(arrival.after)
        except UnknownCommit:
            pass
        # An annotated tag is told by its own id.
        sha = bare.refs(arrival.ref).get(arrival.ref) if arrival.kind is ArrivalKind.TAG else None
        return bare.commit(sha) if sha else None

    def is_behind(self, repository: Repository, sha: str, other: str) -> bool:
        """Whether the history of `other` holds this commit."""
        try:
            return self.bare(repository).is_ancestor(sha, other)
        except UnknownCommit:
            return False

    def message(self, repository: Repository, arrival: Arrival) -> str:
        commit = self.commit(repository, arrival)
        return self.bare(repository).message(commit.sha) if commit else ""

    def changed(self, repository: Repository, arrival: Arrival, contract: Contract) -> tuple[str, ...] | None:
        """Paths that differ between what the arrival found and what it brings; None where nobody asks, or where it
        cannot be told (then all count)."""
        if not asks_for_paths(contract) or arrival.after is None or arrival.kind is ArrivalKind.TAG:
            return None
        bare = self.bare(repository)
        try:
            base = self._base(bare, repository, arrival)
            if base is None:
                return None
            listed = contract.triggers.push.paths if contract.triggers.push else ()
            return few_enough(bare.changed_paths(base, arrival.after), _conditions(contract), listed)
        except HeadwayError:
            return None

    def _base(self, bare: Bare, repository: Repository, arrival: Arrival) -> str | None:
        asked = arrival.pull_request
        assert arrival.after is not None
        if asked is not None:
            heads = bare.refs("refs/heads")
            target = heads.get(f"refs/heads/{asked.base}")
            return bare.merge_base(target, arrival.after) if target else None
        if arrival.before and bare.has_commit(arrival.before):
            return arrival.before
        default = repository.default_branch or bare.default_branch
        target = bare.refs("refs/heads").get(f"refs/heads/{default}")
        if target and target != arrival.after:
            return bare.merge_base(target, arrival.after)
        return None


def asks_for_paths(contract: Contract) -> bool:
    push = contract.triggers.push
    if push is not None and push.paths:
        return True
    return bool(_conditions(contract))


def _conditions(contract: Contract) -> list[str]:
    return [job.when for job in contract.jobs.values() if job.when and "changed" in job.when]


def read_file(
    repository: Repository,
    bare: Bare,
    commit: Commit,
    *,
    is_default: bool = False,
    elsewhere: Org | None = None,
) -> CommitFile:
    """The headway.toml of this commit. `elsewhere` are the hosts and groups of org.toml."""
    folder = str(bare.folder)
    known = repository.service or repository.name.rpartition("/")[2]
    try:
        data = bare.read_file(commit.sha, CONTRACT_FILE, _MOST_BYTES)
    except FileTooLarge as error:
        fault = FileFault(CONTRACT_FILE, "", 1, 1, error.message)
        return CommitFile(folder, commit, faults=(fault,), service=known)
    if data is None:
        return CommitFile(
            folder, commit, missing=f"there is no {CONTRACT_FILE} in this commit", service=known
        )
    text = ""
    try:
        text = decode_contract(data, CONTRACT_FILE)
        contract = read_contract(text, CONTRACT_FILE, elsewhere=elsewhere)
    except ContractInvalid as error:
        faults = tuple(
            FileFault(fault.file, fault.key_path, fault.line, fault.column, fault.message)
            for fault in error.faults[:_MOST_FAULTS]
        )
        return CommitFile(folder, commit, text=text, faults=faults, service=known)
    service = contract.service
    team = None if elsewhere is not None and is_of_org(elsewhere, service.team) else service.team
    return CommitFile(folder, commit, contract, text, service=service.name, is_default=is_default, team=team)
