"""Where things lie on a host, as paths relative to the environment's root there.

README.txt  journal  deployed.json  current -> releases/<release>
releases/<release>/     counts only with its marker; built beside, then renamed
unpacked/<release>      its marker: what it was unpacked from, and each file's SHA-256
prepared/<release>      the checksum of the `prepare` that was run in it
shared/                 what outlives releases
settings/<deployment>.env (0600), settings/current.env -> the live one
settings/<deployment>.json (0600): what the release's own headway.toml says of this host
uploads/                archives on their way to releases/
bin/                    Headway's frame of a step, named by its content
epochs/<n>/             one number an owner: owner.json, beat, steps/<deployment>.<host>.<group>.<attempt>/
epochs/<n>.closed/      an owner who is gone
"""

import re
from datetime import timedelta

from headway.deploy.placeholders import Values, fill_path
from headway.domain.contract import DeploySpec, EnvironmentSpec

EPOCHS = "epochs"
UPLOADS = "uploads"
#: Where a release is unpacked, with the owner's number behind it: on the filesystem where it will live.
UNPACKING = "releases/.unpacking-"

#: Archives that are unpacked; anything else is laid into the release's directory as it is.
ARCHIVES = (".tar.gz", ".tgz", ".tar", ".zip")
#: Between TERM and KILL when a step on a host is ended.
STOP_GRACE = timedelta(seconds=10)

_STEP_DIRECTORY = re.compile(
    r"(?P<deployment>dep-[0-9a-z]+)\.(?P<host>.+)\.(?P<group>[a-z-]+)\.(?P<attempt>\d+)"
)


def root_of(spec: DeploySpec, environment: EnvironmentSpec, values: Values) -> str:
    """The environment's root on a host: absolute, or relative to the home of the user that SSH signs in as."""
    return fill_path(environment.root or spec.root, values)


def release_directory(release: str) -> str:
    return f"releases/{release}"


def settings_file(deployment: str) -> str:
    return f"settings/{deployment}.env"


def unpacked_marker(release: str) -> str:
    return f"unpacked/{release}"


def own_file(deployment: str) -> str:
    return f"settings/{deployment}.json"


def prepared_marker(release: str) -> str:
    return f"prepared/{release}"


def epoch_directory(token: int) -> str:
    return f"{EPOCHS}/{token}"


def step_directory(token: int, deployment: str, host: str, group: str, attempt: int) -> str:
    """Of a job's steps; the key under which a host knows them."""
    return f"{EPOCHS}/{token}/steps/{step_name(deployment, host, group, attempt)}"


def step_name(deployment: str, host: str, group: str, attempt: int) -> str:
    # A host's name comes from a configuration file and may hold a slash; as one part of a path it must not.
    return f"{deployment}.{host.replace('/', '_')}.{group}.{attempt}"


def group_and_attempt(name: str) -> tuple[str, int] | None:
    """Of a step directory's name; None for a name that Headway did not give."""
    match = _STEP_DIRECTORY.fullmatch(name)
    return (match["group"], int(match["attempt"])) if match else None


def step_of(path: str) -> tuple[int, str, str] | None:
    """Epoch, deployment and group of a step's directory; None for a path that Headway did not give."""
    parts = path.split("/")
    match = _STEP_DIRECTORY.fullmatch(parts[-1])
    epoch = parts[1].removesuffix(".closed") if len(parts) == 4 else ""
    return (int(epoch), match["deployment"], match["group"]) if match and epoch.isdigit() else None


def archive_kind(path: str) -> str | None:
    """The archive's ending, None for a file that is laid as it is."""
    return next((ending for ending in ARCHIVES if path.endswith(ending)), None)


def upload_path(sha256: str, artifact: str) -> str:
    return f"{UPLOADS}/{sha256}{archive_kind(artifact) or ''}"
