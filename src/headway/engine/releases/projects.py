"""The projects of releases on a server: the headway.toml of their commit, read from the bare repository, with the hosts
of org.toml. Whatever is on disk or in a branch today, a release is deployed by what its own commit declares.

NotThisService   2    no headway.toml of the commit declares the service
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from threading import Lock

from headway.base.errors import WrongUse
from headway.domain.org import Org
from headway.domain.places import with_places
from headway.drivers.git.bare import Bare
from headway.engine.projects import CONTRACT_FILE, Project, decode_contract
from headway.engine.settings import Settings
from headway.wire.contract import read_contract

_MOST_BYTES = 1 << 20
_MOST_KEPT = 64


class NotThisService(WrongUse):
    """The commit's files declare other services."""


class ReleaseProjects:
    """Reads and keeps the newest. Reading blocks (0.2 s for a large file); threads may share it."""

    def __init__(
        self,
        environment: Mapping[str, str],
        team_of: Callable[[str], str | None],
        org: Callable[[], Org] = Org,
    ) -> None:
        """`team_of` a service as the server knows it, whatever the commit's file says; `org` is org.toml as it is in
        force now."""
        self._environment = environment
        self._team_of = team_of
        self._org = org
        self._kept: OrderedDict[tuple[str, str, str], Project] = OrderedDict()
        self._lock = Lock()

    def of(self, repository: str, commit: str, service: str) -> Project:
        """With the hosts and groups of org.toml, others' closed. Raises NotThisService, ContractInvalid, UnknownCommit, SameName."""
        found = self.declared(repository, commit, service)
        return replace(found, contract=with_places(found.contract, self._org(), self._team_of(service)))

    def declared(self, repository: str, commit: str, service: str) -> Project:
        """What the commit itself says, without the hosts of org.toml."""
        key = (repository, commit, service)
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
        if found is None:
            found = self._read(Path(repository), commit, service)
            with self._lock:
                self._kept[key] = found
                while len(self._kept) > _MOST_KEPT:
                    self._kept.popitem(last=False)
        return found

    def _read(self, repository: Path, commit: str, service: str) -> Project:
        bare = bare_of(repository, self._environment)
        top = self._file(bare, repository, commit, CONTRACT_FILE)
        if top is not None and top.contract.service.name == service:
            return top
        for folder in top.contract.services if top is not None else ():
            found = self._file(bare, repository, commit, f"{folder.strip('/')}/{CONTRACT_FILE}")
            if found is not None and found.contract.service.name == service:
                return found
        raise NotThisService(
            f"commit {commit[:12]} has no {CONTRACT_FILE} that declares {service}",
            hint="deploy a release of a commit that has one",
        )

    def _file(self, bare: Bare, repository: Path, commit: str, path: str) -> Project | None:
        data = bare.read_file(commit, path, _MOST_BYTES)
        if data is None:
            return None
        text = decode_contract(data, path)
        contract = read_contract(text, path, elsewhere=self._org())
        return Project(repository, repository / path, contract, text, commit)


def repository_id(settings: Settings, place: str) -> str | None:
    """Of a repository that this server keeps; None for a folder of this machine's user."""
    path = Path(place)
    return path.stem if path.parent == settings.data / "repositories" and path.suffix == ".git" else None


def bare_of(repository: Path, environment: Mapping[str, str]) -> Bare:
    """A server's repository is bare; one that a command ran in has its own inside, or a file that says where it is."""
    inside = repository / ".git"
    if inside.is_file():
        place = inside.read_text(errors="replace").removeprefix("gitdir:").strip()
        return Bare(repository / place, environment)
    return Bare(inside if inside.is_dir() else repository, environment)
