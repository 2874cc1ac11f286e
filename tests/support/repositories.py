"""Real git repositories for tests, with an identity and a time of their own, whatever the machine's configuration."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Ana",
    "GIT_AUTHOR_EMAIL": "ana@example.org",
    "GIT_COMMITTER_NAME": "Bo",
    "GIT_COMMITTER_EMAIL": "bo@example.org",
}


class Repository:
    """A repository at `folder`, on the branch main."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.git("init", "--quiet", "--initial-branch=main", *options)

    def git(self, *arguments: str | bytes, at: str | None = None, **variables: str) -> str:
        """What git prints, without the last line's end. `at` is the author's and committer's time."""
        times = {"GIT_AUTHOR_DATE": at, "GIT_COMMITTER_DATE": at} if at else {}
        done = subprocess.run(
            ["git", *arguments],
            check=False,
            cwd=self.folder,
            env={**ENVIRONMENT, **times, **variables},
            capture_output=True,
        )
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        return done.stdout.decode(errors="replace").removesuffix("\n")

    def write(self, files: Mapping[str | bytes, str | bytes]) -> None:
        for name, content in files.items():
            path = Path(self.folder, os.fsdecode(name))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)

    def commit(
        self,
        files: Mapping[str | bytes, str | bytes] | None = None,
        message: str = "Change",
        *,
        at: str | None = None,
    ) -> str:
        """Write the files, commit all there is; the commit's id."""
        self.write(files or {})
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message, at=at)
        return self.git("rev-parse", "HEAD")


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file below `folder`: its mode and content (a link's target)."""
    found = {}
    for where, folders, files in os.walk(folder):
        for name in [*files, *(name for name in folders if os.path.islink(os.path.join(where, name)))]:
            path = os.path.join(where, name)
            content = os.fsencode(os.readlink(path)) if os.path.islink(path) else Path(path).read_bytes()
            found[os.path.relpath(path, folder)] = (os.lstat(path).st_mode, content)
    return found


def tree_bomb(repository: Repository, levels: int, width: int) -> str:
    """The id of a tree of `width` ** `levels` paths, made of as many objects as it has levels; kept in the repository."""

    def made(*question: str, feed: str) -> str:
        done = subprocess.run(
            ["git", *question],
            check=True,
            cwd=repository.folder,
            env=ENVIRONMENT,
            input=feed,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    what = f"100644 blob {made('hash-object', '-w', '--stdin', feed='x')}"
    for _ in range(levels):
        tree = made("mktree", feed="".join(f"{what}\t{number:x}\n" for number in range(width)))
        what = f"040000 tree {tree}"
    return tree
