"""What a first contract is made from: the files that say how a project is built, and the jobs that come of them."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from headway.wire.strict.syntax import load_toml

#: A longer file says nothing to us.
_LONGEST = 512 * 1024
#: Listed this deep below the top.
_DEEPEST = 2
_PASSED_OVER = {"node_modules", "target", "build", "dist", "vendor", "__pycache__", "venv"}

_HINT = """artifacts = ["dist/app.tar.gz"]   # what this makes and a deployment needs"""


@dataclass(frozen=True, slots=True)
class Job:
    name: str
    comment: str
    run: tuple[str, ...]
    needs: tuple[str, ...] = ()
    junit: str | None = None
    artifacts: tuple[str, ...] = ()
    #: Stands as a comment where the artifacts cannot be known.
    hint: str | None = None
    timeout: str = "20m"
    env: tuple[tuple[str, str], ...] = ()
    #: Relative to the top; empty: there.
    folder: str = ""

    def within(self, folder: str) -> "Job":
        """The same in a folder of the repository; reports and artifacts are named from the top."""
        return replace(
            self,
            folder=folder,
            junit=f"{folder}/{self.junit}" if self.junit else None,
            artifacts=tuple(f"{folder}/{path}" for path in self.artifacts),
        )

    def prefixed(self, prefix: str) -> "Job":
        return replace(self, name=prefix + self.name, needs=tuple(prefix + need for need in self.needs))


def job_of_tests(comment: str, *run: str, junit: str | None = None, name: str = "test") -> Job:
    return Job(name, comment, run, junit=junit)


def job_of_build(
    comment: str, *run: str, artifacts: tuple[str, ...] = (), after: tuple[Job, ...] = ()
) -> Job:
    """A job `build` that begins when the jobs before it have succeeded."""
    return Job(
        "build",
        comment,
        run,
        needs=tuple(job.name for job in after),
        artifacts=artifacts,
        hint=None if artifacts else _HINT,
    )


@dataclass(frozen=True, slots=True)
class Kind:
    """One way in which a project is built. `found` says it in words, `word` goes before the names of a second kind's jobs."""

    word: str
    found: str
    jobs: tuple[Job, ...]
    name: str | None = None
    programs: tuple[str, ...] = ()
    #: Its jobs are the project's own words for everything, whatever else it is made of.
    speaks_for_all: bool = False
    #: Used only when nothing else was found.
    is_last_resort: bool = False
    #: Files of a language, and nothing that says they are one project.
    is_loose: bool = False
    #: Where it lies below the top; empty: at the top.
    folder: str = ""


@dataclass(frozen=True, slots=True)
class Files:
    """The names of the files near the top, and the text of those that were asked for."""

    root: Path
    #: Relative paths with forward slashes, at most two folders deep.
    names: frozenset[str] = field(default_factory=frozenset)

    def has(self, *names: str) -> bool:
        return any(name in self.names for name in names)

    def text(self, name: str) -> str:
        """The file's text; empty when there is none, or none that can be read."""
        if name not in self.names:
            return ""
        try:
            with (self.root / name).open("rb") as file:
                return file.read(_LONGEST).decode("utf-8", "replace")
        except OSError:
            return ""

    def toml(self, name: str) -> dict[str, Any]:
        """The file as TOML; empty when it is none."""
        try:
            return load_toml(self.text(name))
        except (ValueError, RecursionError):
            return {}


def list_files(root: Path) -> Files:
    """What lies near the top of `root`; hidden folders and those that tools fill are passed over."""
    names: set[str] = set()
    pending = [(root, "", 0)]
    while pending:
        folder, prefix, depth = pending.pop()
        try:
            entries = sorted(folder.iterdir())
        except OSError:
            continue
        for entry in entries:
            if entry.is_file():
                names.add(prefix + entry.name)
            elif depth < _DEEPEST and _is_looked_into(entry):
                pending.append((entry, f"{prefix}{entry.name}/", depth + 1))
    return Files(root, frozenset(names))


def _is_looked_into(folder: Path) -> bool:
    passed_over = folder.name in _PASSED_OVER or folder.name.startswith(".")
    return not passed_over and folder.is_dir() and not folder.is_symlink()


def table(value: object, *keys: str) -> dict[str, Any]:
    """The table at the end of the keys, empty where there is none."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def text(value: object, *keys: str) -> str | None:
    *path, last = keys
    found = table(value, *path).get(last)
    return found if isinstance(found, str) else None
