"""A first headway.toml for a project that has none: looks at its files, writes jobs that really run there.

Never writes `promote = "automatic"`: what goes on by itself is a person's decision.
"""

import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from headway.engine.starters.files import Files
from headway.engine.starters.kinds import KINDS, Job, Kind, list_files
from headway.wire.strict.toml import toml_key, toml_line, toml_value

_NAME = re.compile(r"[^A-Za-z0-9._-]+")

#: Whose being there makes a folder a project of its own.
PROJECT_FILES = frozenset(
    {"pyproject.toml", "setup.py", "requirements.txt", "package.json", "Cargo.toml", "go.mod", "pom.xml"}
    | {"build.gradle", "build.gradle.kts"}
)
#: Folders whose projects are there to be looked at, or to be tested with.
_ASIDE = frozenset({"docs", "doc", "example", "examples", "fixtures", "samples", "test", "testdata", "tests"})

_HEAD = """\
# The contract between this service and Headway: what is run for each commit, and how it gets to its hosts.
# Every key: docs/configuration.md of Headway, or `headway check`, which says what is wrong and what was meant.
contract = 1

[service]
"""

_DELIVERY = """\
# When there is something to deploy, this is how it gets to hosts over SSH, one after another, and back:
#
# [deploy]
# kind = "files"                                   # unpacked beside the releases before, then switched
# artifact = {artifact}
# activate = "systemctl --user restart {name}"
# health = {{ http = "http://localhost:8080/health", within = "30s" }}
# logs = "journalctl --user -u {name} -o short-iso"
#
# [environments.production]
# hosts = "group:web"
#
# [hosts.web1]
# address = "web1.example"
# [groups]
# web = ["web1"]
"""


@dataclass(frozen=True, slots=True)
class Starter:
    """The text of a first contract, and how it came to be."""

    text: str
    #: What was found, in words: `a Python project with uv`.
    found: tuple[str, ...]
    jobs: tuple[str, ...]
    #: Programs that the jobs call and that this machine does not have.
    missing: tuple[str, ...]


def look(root: Path) -> Starter:
    """A contract for the project in `root`. Reads a handful of well-known files, runs nothing."""
    recognised = _recognised(root)
    return _starter(root, recognised, _chosen(recognised))


def is_untouched(root: Path, text: str) -> bool:
    """Whether `text` is what was written for `root` when nothing was recognised there, and nobody has changed it."""
    recognised = _recognised(root)
    return any(
        text == _starter(root, named, [kind]).text
        for kind in recognised
        if kind.is_last_resort
        for named in ([], recognised)
    )


def _starter(root: Path, recognised: list[Kind], kinds: list[Kind]) -> Starter:
    jobs = _jobs(kinds)
    name = _service_name(recognised, root)
    artifact = next((job.artifacts[0] for job in jobs if len(job.artifacts) == 1), "dist/app.tar.gz")
    artifact = artifact if not set("*?[") & set(artifact) else "dist/app.tar.gz"
    parts = [
        _HEAD + toml_line("name", name) + "\n",
        *(_table(job) for job in jobs),
        _DELIVERY.format(artifact=toml_value(artifact), name=name),
    ]
    return Starter(
        text="\n".join(parts),
        found=tuple(kind.found for kind in kinds),
        jobs=tuple(job.name for job in jobs),
        missing=_missing(kinds),
    )


def _recognised(root: Path) -> list[Kind]:
    files = list_files(root)
    folders = _in_folders(root, files)
    below = {kind.word for kind in folders}
    top = [kind for recognise in KINDS if (kind := recognise(files)) is not None]
    top = [kind for kind in top if not (kind.is_loose and kind.word in below)]
    words = {kind.word for kind in top if not kind.is_last_resort}
    # What the top builds itself (a workspace of one language) is not written once more for each of its parts.
    return [*top, *(kind for kind in folders if kind.word not in words)]


def _in_folders(root: Path, files: Files) -> list[Kind]:
    """Projects in folders below the top, such as `backend` and `frontend`; none within another one."""
    found: list[Kind] = []
    taken: list[str] = []
    for folder in sorted(
        {name.rpartition("/")[0] for name in files.names if name.rpartition("/")[2] in PROJECT_FILES}
    ):
        inside = any(folder.startswith(f"{outer}/") for outer in taken)
        if not folder or inside or _ASIDE & set(folder.split("/")):
            continue
        within = list_files(root / folder)
        kinds = [kind for recognise in KINDS if (kind := recognise(within)) is not None]
        kinds = [kind for kind in kinds if not kind.is_last_resort and not kind.speaks_for_all]
        if kinds:
            taken.append(folder)
        found += [
            replace(
                kind,
                found=f"{kind.found} in {folder}",
                jobs=tuple(job.within(folder) for job in kind.jobs),
                folder=folder,
            )
            for kind in kinds
        ]
    return found


def _chosen(found: list[Kind]) -> list[Kind]:
    """Whose jobs are written. A Makefile that has its own words for all comes before what we would guess."""
    whole = [kind for kind in found if kind.speaks_for_all]
    return whole[:1] or [kind for kind in found if not kind.is_last_resort] or found[:1]


def _jobs(kinds: list[Kind]) -> list[Job]:
    """The jobs of all kinds; from the second on a kind's word goes before, so that `test` stays the first one's."""
    jobs: list[Job] = []
    for number, kind in enumerate(kinds):
        word = _NAME.sub("-", kind.folder.replace("/", "-")) or kind.word
        prefix = f"{word}-" if number or kind.folder else ""
        jobs += [job.prefixed(prefix) for job in kind.jobs]
    return jobs


def _service_name(kinds: list[Kind], root: Path) -> str:
    given = next((kind.name for kind in kinds if kind.name and not kind.folder), None) or root.name
    return _NAME.sub("-", given.rsplit("/", 1)[-1]).strip("-._")[:63].strip("-._") or "service"


def _missing(kinds: list[Kind]) -> tuple[str, ...]:
    programs = dict.fromkeys(program for kind in kinds for program in kind.programs)
    return tuple(program for program in programs if shutil.which(program) is None)


def _table(job: Job) -> str:
    lines = [f"# {job.comment}", f"[jobs.{toml_key(job.name)}]"]
    if job.folder:
        lines.append(toml_line("working_directory", job.folder))
    if job.env:
        lines.append(toml_line("env", dict(job.env)))
    if job.needs:
        lines.append(toml_line("needs", list(job.needs)))
    if len(job.run) == 1:
        lines.append(toml_line("run", job.run[0]))
    else:
        lines += ["run = [", *(f"    {toml_value(step)}," for step in job.run), "]"]
    if job.junit:
        lines.append(toml_line("reports", {"junit": job.junit}))
    if job.artifacts:
        lines.append(toml_line("artifacts", list(job.artifacts)))
    elif job.hint:
        lines.append(f"# {job.hint}")
    lines.append(toml_line("timeout", job.timeout))
    return "\n".join(lines) + "\n"
