"""A release's folder on a host: unpacked whole or not at all, and looked through before it is used again.

A folder counts only with its marker, `unpacked/<release>`. The marker is written last; it names what the folder was
unpacked from and the SHA-256 of each file. It is renamed out of the owner's own directory, so a late owner cannot
write it. The folder itself is built beside its place, because `releases/` may be another filesystem, where a move
is a copy that may stop half-way.
"""

import shlex
from collections.abc import Iterator
from itertools import accumulate

from headway.deploy.layout import (
    UNPACKING,
    archive_kind,
    prepared_marker,
    release_directory,
    unpacked_marker,
    upload_path,
)
from headway.deploy.plan import Plan
from headway.domain.contract import DeployKind, DeploySpec
from headway.domain.release import Artifact

#: What the marker names when a release brings no archive.
NOTHING = "-"
#: … and for a release that an older Headway unpacked, which serves: whole enough, but from where is not known.
UNKNOWN = "?"

# `sum`: hosts have coreutils or busybox (both bring `mv -T`, too). Names with a line break are left out: the tools
# write them in different ways.
_FUNCTIONS = r"""
cd "$HEADWAY_ROOT"
LC_ALL=C; export LC_ALL
if command -v sha256sum >/dev/null; then sum=sha256sum; else sum='busybox sha256sum'; fi
mark() {
  { echo "$2"; (cd "$1" && find . -type f -perm -400 ! -path '*
*' -exec $sum {} +); } >"$HEADWAY_EPOCH/marker"
}
checked() { sed 1d "$2" | (cd "$1" && $sum -c 2>/dev/null); }
"""

# Sizes in KiB. `free` is what the host says, or empty where it says nothing that can be read.
_DISK = r"""
size() { if [ "$1" -ge 10240 ]; then echo "$(($1 / 1024)) MiB"; else echo "$1 KiB"; fi; }
total=0 free= disk=
look_at_disk() {
  read -r total free disk <<HEADWAY-DISK
$(df -Pk releases 2>/dev/null | { read -r head; read -r device total used free share mount; echo "$total $free $mount ($device)"; })
HEADWAY-DISK
  case $total$free in '' | *[!0-9]*) free= total=0 disk=$PWD/releases ;; esac
  spare=$((total / 64)); [ $spare -le 8192 ] || spare=8192
}
room() {
  look_at_disk
  [ -z "$free" ] || [ "$free" -ge $(($1 + spare)) ] || {
    echo "$release has no room on the disk $disk: unpacked it needs $(size "$1"), $(size "$free") are free"; exit 1
  }
}
failed() {
  look_at_disk
  printf '%s\n' "$1" | head -n 5
  echo "$release was not unpacked on the disk $disk: $(printf '%s\n' "$1" | head -n 1)${free:+; $(size "$free") are free there}"; exit 1
}
"""


def verify_script(plan: Plan, deploy: DeploySpec) -> str:
    """Whether each file is as it was unpacked. A folder that is not loses its marker, and is unpacked anew.

    What serves stays as it is: a file that the service has changed is said. Where nothing is at hand to unpack it
    from, it is refused.
    """
    directory, marker = release_directory(plan.release), unpacked_marker(plan.release)
    otherwise = (
        f'echo "{plan.release} is not as it was unpacked ($changed): it is unpacked anew"\n'
        f'mv -T {marker} "$HEADWAY_EPOCH/damaged"'
        if _can_bring(plan, deploy)
        else f'echo "{plan.release} on this host is not as it was unpacked: $changed; there is nothing to unpack it from"; exit 1'
    )
    return f"""{_FUNCTIONS}\
good=$(checked {directory} {marker} | grep -c ': OK$' || :)
if [ "$good" = "$(sed 1d {marker} | grep -c '' || :)" ]; then echo "{plan.release} is whole: $good files"; exit 0; fi
changed=$(checked {directory} {marker} | sed -n '/: OK$/d; s/: FAILED.*$//; s|^\\./||; p' | head -n 3 | tr '\\n' ' ')
changed=${{changed% }}; changed=${{changed:-its files cannot be read}}
if [ "$(readlink current)" = {directory} ]; then
  echo "{plan.release} serves, so it stays as it is; changed since it was unpacked: $changed"; exit 0
fi
{otherwise}"""


def unpack_script(plan: Plan, deploy: DeploySpec) -> str:
    """The release's folder with its marker, or nothing: what fails takes along what it began, and the archive."""
    release, directory = plan.release, release_directory(plan.release)
    marker, prepared = unpacked_marker(release), prepared_marker(release)
    artifact = plan.artifact
    if not _can_bring(plan, deploy):
        return (
            f'[ -d "$HEADWAY_ROOT/{directory}" ] && [ -s "$HEADWAY_ROOT/{marker}" ] || '
            f'{{ echo "{release} is not on this host, or not whole, and there is nothing to bring"; exit 1; }}'
        )
    source = artifact.sha256 if artifact else NOTHING
    # What a `prepare` left half-done is not built upon.
    ready = f" && [ -f {prepared} ]" if deploy.prepare else ""
    archive = upload_path(artifact.sha256, artifact.path) if artifact else ""
    drop = f"rm -f {archive}; " if archive else ""
    lines = [
        f"{_FUNCTIONS.strip()}\nrelease={release}{_DISK.rstrip()}",
        *_adopt(),
        "stands=",
        f'if [ -d {directory} ] && [ "$(head -n 1 {marker} 2>/dev/null)" = {source} ]{ready}; then stands=already; fi',
        f'if [ -d {directory} ] && [ "$live" = {directory} ]; then stands="already, and serves"; fi',
        f'if [ -n "$stands" ]; then {drop}echo "{release} stands here $stands"; exit 0; fi',
        # First what says that it counts; the rename fails when another owner has come.
        f'if [ -e {marker} ]; then mv -T {marker} "$HEADWAY_EPOCH/old-marker"; fi',
        f"rm -rf {UNPACKING}* {prepared} {directory}",
        f'new=$PWD/{UNPACKING}"${{HEADWAY_EPOCH##*/}}"',
        # Ended from outside it may be begun again, from the same archive.
        "trap 'exit 143' HUP INT TERM",
        f"""trap 'code=$?; [ $code = 0 ] || rm -rf "$new"; [ $code = 0 ] || [ $code -gt 128 ] || {drop or ":"}' EXIT""",
        'mkdir "$new"',
        *(_lay(artifact, archive) if artifact else ()),
        *(line for path in deploy.shared for line in _share(path)),
        f'mark "$new" {source}',
        f'mv -T "$new" {directory}',
        f'mv -T "$HEADWAY_EPOCH/marker" {marker}',
    ]
    if artifact:
        lines.append(drop.rstrip("; "))
    return "\n".join(lines)


def _can_bring(plan: Plan, deploy: DeploySpec) -> bool:
    return plan.artifact is not None or deploy.kind is not DeployKind.FILES


def _adopt() -> Iterator[str]:
    """What serves is a way back, although an older Headway gave it no marker."""
    yield "live=$(readlink current || :)"
    yield "case $live in"
    yield f'releases/*) old=${{live#releases/}}; [ ! -d "$live" ] || [ -e "unpacked/$old" ] || {{ mark "$live" "{UNKNOWN}" && mv -T "$HEADWAY_EPOCH/marker" "unpacked/$old"; }} || : ;;'
    yield "esac"


def _lay(artifact: Artifact, archive: str) -> Iterator[str]:
    """Room first, for the unpacked size: each file in blocks of 4 KiB, a folder as one."""
    listed = (
        "{ need=0; while read -r kind owner size rest; do\n"
        '  case $size in "" | *[!0-9]*) size=0 ;; esac\n'
        "  case $kind in d*) size=4096 ;; esac\n"
        "  need=$((need + (size + 4095) / 4096 * 4))\n"
        "done; echo $need; }"
    )
    match archive_kind(artifact.path):
        case ".tar.gz" | ".tgz":
            yield f"room $(tar -tzvf {archive} 2>/dev/null | {listed})"
            yield f'said=$(tar -xzof {archive} -C "$new" 2>&1) || failed "$said"'
        case ".tar":
            yield f"room $(tar -tvf {archive} 2>/dev/null | {listed})"
            yield f'said=$(tar -xof {archive} -C "$new" 2>&1) || failed "$said"'
        case ".zip":
            yield 'command -v unzip >/dev/null || { echo "unzip is missing on this host"; exit 1; }'
            # The last line is the sum: `SIZE … N files`.
            yield f"set -- $(unzip -l {archive} | tail -n 1)"
            yield "room $((${1:-0} / 1024 + ${2:-0} * 4))"
            yield f'said=$(unzip -q {archive} -d "$new" 2>&1) || failed "$said"'
        case _:
            name = shlex.quote(artifact.path.rpartition("/")[2])
            yield f"room $(($(wc -c <{archive}) / 1024 + 4))"
            yield f'said=$(cp {archive} "$new"/{name} 2>&1) || failed "$said"'
            yield f'chmod {"755" if artifact.executable else "644"} "$new"/{name}'


def _share(path: str) -> Iterator[str]:
    """Links `path` in the release to what outlives releases; the first release's own content is where it begins.

    That content is copied beside its place first: `shared/` may be another filesystem, too.
    """
    clean = path.strip("/")
    word = shlex.quote(clean)
    parent, _, _ = clean.rpartition("/")
    up = "../" * (2 + clean.count("/"))
    for folder in accumulate(parent.split("/") if parent else (), "{}/{}".format):
        # What is done below would be done wherever the link leads.
        link = shlex.quote(folder)
        yield f'if [ -L "$new"/{link} ]; then echo {shlex.quote(f"{clean} is shared, but {folder} is a link in the artifact")}; exit 1; fi'
    if parent:
        yield f'mkdir -p "$new"/{shlex.quote(parent)} shared/{shlex.quote(parent)}'
    yield f"if [ ! -e shared/{word} ]; then"
    yield f'  if [ -e "$new"/{word} ]; then'
    yield f'    rm -rf shared/.new; mv -T "$new"/{word} shared/.new || {{ rm -rf shared/.new; exit 1; }}'
    yield f"    mv -T shared/.new shared/{word}"
    yield f"  else mkdir -p shared/{word}; fi"
    yield "fi"
    yield f'rm -rf "$new"/{word}; ln -s {shlex.quote(up + "shared/" + clean)} "$new"/{word}'


def after_prepare(release: str) -> str:
    """What `prepare` changed of the unpacked files is its own business from here on."""
    directory, marker = release_directory(release), unpacked_marker(release)
    return f"""{_FUNCTIONS}\
if [ -e {marker} ] && [ "$(checked {directory} {marker} | grep -c ': OK$' || :)" != "$(sed 1d {marker} | grep -c '' || :)" ]; then
  {{
    head -n 1 {marker}
    checked {directory} {marker} | while IFS= read -r verdict; do
      IFS= read -r line <&3
      case $verdict in *': OK') printf '%s\\n' "$line" ;; esac
    done 3<<HEADWAY-MARKER
$(sed 1d {marker})
HEADWAY-MARKER
  }} >"$HEADWAY_EPOCH/marker"
  mv -T "$HEADWAY_EPOCH/marker" {marker}
fi"""
