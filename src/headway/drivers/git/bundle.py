"""A server's repository as one file, git's own bundle, and back. Whoever pushes meanwhile does no harm."""

from collections.abc import Mapping
from pathlib import Path

from headway.drivers.git.bare import Bare, create_bare
from headway.drivers.git.call import LONG_WORK, GitCall
from headway.drivers.git.process import explain, server_environment


def write_bundle(bare: Bare, target: Path) -> bool:
    """All refs, hidden ones too, and what they reach; False, and no file, when there is none. Raises GitError, DiskFull."""
    environment = {**server_environment(bare.environment), "GIT_DIR": str(bare.folder)}
    place = str(bare.folder)
    asked = ["for-each-ref", "--count=1", "--format=x"]
    if not GitCall(asked, folder=bare.folder, environment=environment, place=place).output():
        return False
    question = ["bundle", "create", "--quiet", str(target.absolute()), "--all"]
    GitCall(question, folder=bare.folder, environment=environment, place=place, bounds=LONG_WORK).output()
    return True


def restore_bundle(
    folder: Path, bundle: Path | None, default_branch: str, environment: Mapping[str, str]
) -> Bare:
    """A bare repository at `folder` with all that the bundle holds. Raises GitError, DiskFull, WrongUse."""
    bare = create_bare(folder, default_branch, environment)
    if bundle is not None:
        own = {**server_environment(environment), "GIT_DIR": str(folder)}
        # What a push was refused for is not in it; what an older git took in need not pass today's checks.
        question = ["-c", "fetch.fsckObjects=false", "fetch", "--quiet", "--no-write-fetch-head", "--no-tags"]
        call = GitCall(
            [*question, str(bundle.absolute()), "+refs/*:refs/*"],
            folder=folder,
            environment=own,
            place=str(folder),
            bounds=LONG_WORK,
        )
        code, _, complaint = call.finish()
        if code != 0:
            raise explain(complaint, str(folder))
    return bare
