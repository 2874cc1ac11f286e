"""Where one stands: the repository's top, its headway.toml, and the contract in it. Starts no process."""

from dataclasses import dataclass
from pathlib import Path

from headway.base.errors import WrongUse
from headway.domain.contract import Contract
from headway.wire.contract import ContractInvalid, Fault, read_contract
from headway.wire.strict.syntax import load_toml

CONTRACT_FILE = "headway.toml"


class NoRepository(WrongUse):
    """The folder lies in no git repository."""


class NoContract(WrongUse):
    """The repository has no headway.toml on the way up from here."""


class ContractUnreadable(WrongUse):
    """headway.toml is there and the system does not hand it out."""


@dataclass(frozen=True, slots=True)
class Project:
    #: The top of the repository's working tree; jobs' paths are relative to it.
    root: Path
    #: The nearest headway.toml from where one stands up to the top.
    file: Path
    contract: Contract
    #: The file as it was read.
    text: str
    #: The commit of which it is; empty for the one on disk.
    commit: str = ""


def find_repository(start: Path) -> Path:
    """The top of the working tree that `start` lies in; a worktree or submodule has its own.

    Raises NoRepository.
    """
    here = start.absolute()
    for folder in (here, *here.parents):
        if (folder / ".git").exists():
            return folder
    raise NoRepository(f"{here} is in no git repository", hint="git init, or go to your project's folder")


def find_contract_file(start: Path) -> tuple[Path, Path]:
    """The repository's top and the nearest headway.toml. Raises NoRepository, NoContract."""
    root = find_repository(start)
    here = start.absolute()
    for folder in (here, *here.parents):
        if (folder / CONTRACT_FILE).is_file():
            return root, folder / CONTRACT_FILE
        if folder == root:
            break
    raise NoContract(f"there is no {CONTRACT_FILE} in {root}", hint="headway init writes one that runs")


def find_project(start: Path) -> Project:
    """The project that `start` lies in, with its contract read and checked.

    Raises NoRepository, NoContract, ContractUnreadable, and ContractInvalid with all faults.
    """
    root, file = find_contract_file(start)
    text = read_contract_text(file, shown(file, root))
    return Project(root, file, read_contract(text, shown(file, root)), text)


def shown(file: Path, root: Path) -> str:
    """How messages name the file: relative to the repository's top."""
    return file.relative_to(root).as_posix()


def read_contract_text(file: Path, name: str) -> str:
    """The file's text. Raises ContractUnreadable, and ContractInvalid for bytes that are no UTF-8."""
    try:
        data = file.read_bytes()
    except OSError as error:
        reason = (error.strerror or "it cannot be read").lower()
        raise ContractUnreadable(f"{file} cannot be read: {reason}", hint=f"ls -l {file}") from error
    return decode_contract(data, name)


def decode_contract(data: bytes, name: str) -> str:
    """The text of a file's bytes, also of one that git hands out. Raises ContractInvalid with the place."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line_begin = before.rfind(b"\n") + 1
        line, column = before.count(b"\n") + 1, len(before[line_begin:].decode()) + 1
        found = f"the byte 0x{data[error.start]:02x}"
        message = f"{found} is not UTF-8; save the file as UTF-8"
        raise ContractInvalid(name, [Fault(name, "", line, column, message, found, "UTF-8")]) from None


def service_name(start: Path) -> str:
    """The service's name alone, without a check of the rest: for commands that must be fast.

    Raises NoRepository, NoContract, ContractUnreadable, and ContractInvalid when there is no name to be found.
    """
    root, file = find_contract_file(start)
    name = shown(file, root)
    text = read_contract_text(file, name)
    try:
        found = load_toml(text)["service"]["name"]
    except (ValueError, RecursionError, KeyError, TypeError):
        found = None
    # Whatever is wrong is told in full by the reader that knows how.
    return found if isinstance(found, str) and found else read_contract(text, name).service.name
