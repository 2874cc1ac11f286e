"""What a host says of itself, and what is written there when a deployment is over."""

import json
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from headway.deploy.commands import again_by_hand, by_hand
from headway.deploy.layout import group_and_attempt, release_directory, step_of
from headway.deploy.plan import HostPlan, Plan, Predecessor
from headway.deploy.steps import CHANGES_NOTHING, ENDS, StepName

#: Ids of releases, commits and deployments as hosts tell them. They are put into scripts as they are, and those of
#: one host (what most would go back to) into scripts for another: whoever owns one host must not own the others.
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
#: Closed epochs that stay beside the owner's own, for those who want to see what ran.
_EPOCHS_KEPT = 3


@dataclass(frozen=True, slots=True)
class Job:
    """A job's directory on the host, relative to the root."""

    directory: str
    group: str
    attempt: int
    ended: bool


@dataclass(frozen=True, slots=True)
class Step:
    """Whose job ran on the host, and under which owner's number."""

    epoch: int
    deployment: str
    group: str


@dataclass(frozen=True, slots=True)
class HostRecord:
    """One look at a host. `root` is absolute. Only what stands there; nothing of it is believed of a live owner."""

    root: str
    exists: bool = False
    open: tuple[int, ...] = ()
    closed: tuple[int, ...] = ()
    #: Epoch -> what its owner wrote; missing in the moment before it has.
    owners: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    #: Epoch -> the counter that its owner changes.
    beats: Mapping[int, str] = field(default_factory=dict)
    #: Job directories of all epochs, as (path, has it a result).
    directories: tuple[tuple[str, bool], ...] = ()
    #: Those of them without a result whose runner is not there any more.
    lost: frozenset[str] = frozenset()
    current: str | None = None
    current_settings: str | None = None
    #: Where a link of Headway's has to stand and something else does: `current`, `settings/current.env`.
    in_the_way: tuple[str, ...] = ()
    deployed: Mapping[str, Any] | None = None
    #: Release -> what it was unpacked from (`unpacking.NOTHING`, `unpacking.UNKNOWN`); a folder without marker is none.
    releases: Mapping[str, str] = field(default_factory=dict)
    #: `RELEASE MARK` of each `prepare` that was run to its end; see `commands.prepare_mark`.
    prepared: frozenset[str] = frozenset()
    settings: frozenset[str] = frozenset()

    @property
    def highest(self) -> int:
        return max((*self.open, *self.closed), default=0)

    @property
    def live_release(self) -> str | None:
        """What `current` points to."""
        return self.current.rpartition("/")[2] if self.current else None

    def jobs(self, deployment: str, host: str) -> tuple[Job, ...]:
        """The jobs of one deployment for one host name, the earliest attempt first."""
        prefix = f"{deployment}.{host.replace('/', '_')}."
        found = []
        for path, ended in self.directories:
            name = path.rpartition("/")[2]
            if name.startswith(prefix) and (parts := group_and_attempt(name)):
                found.append(Job(path, *parts, ended))
        return tuple(sorted(found, key=lambda job: job.attempt))

    def steps(self) -> tuple[Step, ...]:
        """The jobs of all deployments, as far as their epochs are still kept."""
        return tuple(Step(*found) for path, _ in self.directories if (found := step_of(path)))

    def unended(self) -> tuple[str, ...]:
        """Job directories without a result, whosoever they are: what is left of a lost one is still to be ended."""
        return tuple(path for path, ended in self.directories if not ended)

    def going(self) -> tuple[str, ...]:
        """Those in which something runs, or is about to begin."""
        return tuple(path for path in self.unended() if path not in self.lost)


def read_record(output: bytes) -> HostRecord:
    """Of the output of `hostside.look_script`."""
    found: dict[str, list[str]] = {}
    for line in output.decode("utf-8", "replace").splitlines():
        word, _, rest = line.partition(" ")
        found.setdefault(word, []).append(rest)

    def first(word: str) -> str | None:
        return next(iter(found.get(word, ())), None)

    return HostRecord(
        root=first("root") or "",
        exists="absent" not in found,
        open=_numbers(found.get("open", ())),
        closed=_numbers(found.get("closed", ())),
        owners={
            number: value for number, text in _numbered(found.get("owner", ())) if (value := _object(text))
        },
        beats=dict(_numbered(found.get("beat", ()))),
        directories=(
            *((path, True) for path in found.get("ended", ())),
            *((path, False) for path in (*found.get("going", ()), *found.get("lost", ()))),
        ),
        lost=frozenset(found.get("lost", ())),
        current=first("current"),
        current_settings=first("current-settings"),
        in_the_way=tuple(found.get("in-the-way", ())),
        deployed=_told(first("deployed") or ""),
        releases=dict(_pairs(found.get("release", ()))),
        prepared=frozenset(found.get("prepared", ())),
        settings=frozenset(found.get("settings", ())),
    )


def _numbers(texts: Iterable[str]) -> tuple[int, ...]:
    return tuple(sorted(int(text) for text in texts if text.isdigit()))


def _pairs(texts: Iterable[str]) -> list[tuple[str, str]]:
    return [(name, rest) for name, _, rest in (text.partition(" ") for text in texts)]


def _numbered(texts: Iterable[str]) -> list[tuple[int, str]]:
    return [(int(number), rest) for number, rest in _pairs(texts) if number.isdigit()]


def _object(text: str) -> Mapping[str, Any] | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _told(text: str) -> Mapping[str, Any] | None:
    """An object in which every id is one, also those of `previous`; None for anything else."""
    value = _object(text)
    if value is None:
        return None
    previous = value.get("previous")
    held = [value, previous] if isinstance(previous, dict) else [value]
    ids = (one.get(key) for one in held for key in ("release", "commit", "deployment"))
    return value if all(id is None or id == "" or _is_id(id) for id in ids) else None


def _is_id(value: object) -> bool:
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def finished_on(records: Iterable[HostRecord]) -> dict[str, str]:
    """Deployment -> commit: of each that was finished on one of these hosts, and so served on all of its own. A host
    whose record could not be written then (a full disk) tells of an older one."""
    found: dict[str, str] = {}
    for record in records:
        deployed = record.deployed or {}
        for facts in (deployed, deployed.get("previous")):
            if isinstance(facts, dict) and (one := _predecessor(facts)) is not None:
                found[one.deployment] = one.commit
    return found


def predecessor(record: HostRecord, finished: Mapping[str, str] = MappingProxyType({})) -> Predecessor | None:
    """What the host goes back to: the last release with which a deployment was finished here.

    That is what its links point to, if they are those of one of `finished` (deployment -> commit), whatever
    deployed.json says: that could not be written then.

    If someone went back by hand, `current` points to the one before it; then that one is it. Settings of another
    deployment tell that it was no hand, but a deployment that was not finished.
    """
    deployed, now = record.deployed, running(record)
    if now is not None and now.deployment in finished and now.deployment not in _told_of(deployed):
        return replace(now, commit=finished[now.deployment])
    if deployed is None:
        return None
    before = deployed.get("previous")
    if isinstance(before, dict) and record.live_release == before.get("release") != deployed.get("release"):
        settings = (f"{one.get('deployment')}.env" for one in (deployed, before))
        if record.current_settings is None or record.current_settings in settings:
            return _predecessor(before)
    return _predecessor(deployed)


def _told_of(deployed: Mapping[str, Any] | None) -> tuple[object, ...]:
    before = (deployed or {}).get("previous")
    return tuple(facts.get("deployment") for facts in (deployed, before) if isinstance(facts, dict))


def is_half_way(record: HostRecord, before: Predecessor | None) -> bool:
    """Whether `current` and its settings are not those of `before`, what was finished last: of a deployment that is
    under way or was left. Settings alone may be another's where somebody went back by hand."""
    if before is None or record.live_release != before.release:
        return record.live_release != (before.release if before else None)
    last = (record.deployed or {}).get("deployment")
    return record.current_settings not in (None, f"{before.deployment}.env", f"{last}.env")


def live_facts(record: HostRecord) -> Mapping[str, Any]:
    """What deployed.json says of the release that `current` points to: of the last one, or of the one before where
    somebody went back; empty where it speaks of neither."""
    deployed = record.deployed or {}
    before = deployed.get("previous")
    for facts in (deployed, before if isinstance(before, dict) else {}):
        if record.live_release is not None and facts.get("release") == record.live_release:
            return facts
    return {}


def running(record: HostRecord) -> Predecessor | None:
    """What stands on the host now, by its links alone; its commit is not known."""
    settings, end = record.current_settings, ".env"
    if not (_is_id(record.live_release) and settings and settings.endswith(end)):
        return None
    deployment = settings.removesuffix(end)
    return Predecessor(str(record.live_release), "", deployment) if _is_id(deployment) else None


def standing_there(record: HostRecord) -> Predecessor | None:
    """What stands on the host now: by its links, and by deployed.json as far as that tells of it. None: nothing."""
    facts, now = live_facts(record), running(record)
    if now is None:
        return _predecessor(facts)
    same = facts.get("deployment") == now.deployment
    return replace(now, commit=str(facts.get("commit") or "")) if same else now


def _predecessor(value: Mapping[str, Any]) -> Predecessor | None:
    release, commit, deployment = (value.get(key) for key in ("release", "commit", "deployment"))
    if not (isinstance(release, str) and isinstance(deployment, str)):
        return None
    return Predecessor(release, str(commit or ""), deployment)


def journal_entries(output: bytes) -> list[Mapping[str, Any]]:
    """The journal's lines; one that a full disk cut off, or whose ids are none, is left out."""
    lines = output.decode("utf-8", "replace").splitlines()
    return [value for line in lines if (value := _told(line)) is not None]


def left_open(entries: Iterable[Mapping[str, Any]]) -> str | None:
    """The deployment that began to drain or switch a host, or to take it back, and did not end there, by its journal."""
    open_one: str | None = None
    for entry in entries:
        step = StepName.parse(str(entry.get("step")))
        if step in ENDS:
            if entry.get("event") == "end" and entry.get("exit") == 0:
                open_one = None
        elif step is None or step.step not in CHANGES_NOTHING:
            open_one = str(entry.get("deployment"))
    return open_one


def finish_script(plan: Plan, host: HostPlan, *, number: int, kind: str) -> str:
    """Writes deployed.json and README.txt, throws away what is no longer kept. Each file is renamed into place."""
    before = host.predecessor
    once = plan.deploy.once if not plan.rollback else None
    head = json.dumps(
        {
            "service": plan.service,
            "environment": plan.environment.name,
            "host": host.spec.name,
            "release": plan.release,
            "commit": plan.commit,
            "deployment": plan.deployment,
            "number": number,
            "kind": kind,
            "by": plan.requested_by,
            # Whether a later rollback may pass this deployment.
            "passable": once is None or once.rollback_compatible,
            "previous": (
                {"release": before.release, "commit": before.commit, "deployment": before.deployment}
                if before
                else None
            ),
        },
        separators=(",", ":"),
    )[:-1]
    return f"""\
cd "$HEADWAY_ROOT"
c=$(readlink current || :) s=$(readlink settings/current.env || :)
if [ "${{c##*/}} ${{s##*/}}" != "{plan.release} {plan.deployment}.env" ]; then
  echo "current is ${{c:-nothing}} with ${{s:-no settings}}: not what this deployment put there"; exit 1
fi
printf '%s,"token":%s,"at":"%s"}}\\n' {shlex.quote(head)} "${{HEADWAY_EPOCH##*/}}" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" >"$HEADWAY_EPOCH/deployed"
cat >"$HEADWAY_EPOCH/readme" <<'HEADWAY-END-OF-README'
{readme(plan, host)}
HEADWAY-END-OF-README
sed "s|@ROOT@|$HEADWAY_ROOT|g" "$HEADWAY_EPOCH/readme" >"$HEADWAY_EPOCH/readme.done"
mv -T "$HEADWAY_EPOCH/deployed" deployed.json
mv -T "$HEADWAY_EPOCH/readme.done" README.txt
{_throw_away(plan, host)}"""


def renamed_script(root: str, token: int, deployed: Mapping[str, Any], old: str, new: str) -> str:
    """Says in deployed.json and README.txt that the root is of `new`, in place of `old`. Done within the owner's number,
    as all that changes a host: one that was taken over meanwhile fails in `mv`. `root` is absolute."""
    text = json.dumps({**deployed, "environment": new}, separators=(",", ":"))
    own = f"epochs/{token}"
    edits = (
        f"1s| in {old} on | in {new} on |; s|headway rollback {old} --direct|headway rollback {new} --direct|"
    )
    return f"""\
set -eu
cd {shlex.quote(root)}
printf '%s\\n' {shlex.quote(text)} >{own}/deployed
if [ -f README.txt ]; then sed {shlex.quote(edits)} README.txt >{own}/readme; mv -T {own}/readme README.txt; fi
mv -T {own}/deployed deployed.json"""


def _throw_away(plan: Plan, host: HostPlan) -> str:
    """Keeps the live release, the one before, and the last `keep` others; settings as long; a few closed epochs."""
    before = host.predecessor
    keep = plan.new(host).deploy.keep
    kept = [plan.release, *([before.release] if before else [])]
    kept_settings = [plan.deployment, *([before.deployment] if before else [])]
    return f"""\
touch {release_directory(plan.release)}
count=0
for r in $(cd releases && ls -1dt rel-* 2>/dev/null); do
  case " {" ".join(kept)} " in *" $r "*) continue ;; esac
  count=$((count + 1))
  if [ $count -gt {keep} ]; then rm -f "unpacked/$r" "prepared/$r"; rm -rf "releases/$r"; fi
done
count=0
for s in $(cd settings && ls -1t dep-*.env 2>/dev/null); do
  case " {" ".join(f"{name}.env" for name in kept_settings)} " in *" $s "*) continue ;; esac
  count=$((count + 1))
  if [ $count -gt {2 * keep} ]; then rm -f "settings/$s" "settings/${{s%.env}}.json"; fi
done
find uploads -type f -mtime +1 -exec rm -f -- {{}} + 2>/dev/null || :
own=${{HEADWAY_EPOCH##*/}}
for d in epochs/*.closed; do
  n=${{d#epochs/}}; n=${{n%.closed}}
  if [ "$n" -lt $((own - {_EPOCHS_KEPT})) ]; then rm -rf "$d"; fi
done"""


def readme(plan: Plan, host: HostPlan) -> str:
    """For a person on this host whose Headway is gone. @ROOT@ is filled in there.

    Written when a deployment is finished, and right also while the next one is half-way: that shows in `current`.
    """
    before = host.predecessor
    lines = [
        f"{plan.service} in {plan.environment.name} on {host.spec.name}, put here by Headway.",
        "",
        f"Live:   {plan.release} (commit {plan.commit}), deployment {plan.deployment}, by {plan.requested_by}",
    ]
    half_way = [
        "Look first whether a deployment has begun here since and has not ended: the two commands that go",
        f"back above are for `readlink current` = {release_directory(plan.release)} and",
        f"`readlink settings/current.env` = {plan.deployment}.env. Otherwise what is called live above is what",
        "to go back to, by these two:",
        "",
        f"    {_link_by_hand(plan.release, plan.deployment)}",
        f'    export HEADWAY_ROOT="@ROOT@"; {again_by_hand(plan, host)}',
        "",
    ]
    if before is None:
        lines += ["Before: nothing. There is no release to go back to on this host.", ""]
    else:
        lines += [
            f"Before: {before.release} (commit {before.commit}), deployment {before.deployment}"
            + (", which was left by a rollback: going back to it undoes that" if plan.rollback else ""),
            "",
            "To go back by hand, on each host, these two commands:",
            "",
            f"  {_link_by_hand(before.release, before.deployment)}",
            "",
            f'  export HEADWAY_ROOT="@ROOT@"; {by_hand(plan, host)}',
            "",
            "From anywhere with SSH, without Headway's database, on all hosts:",
            "",
            f"  headway rollback {plan.environment.name} --direct",
            "",
        ]
    lines += half_way
    lines += [
        "journal        what was done here, a line each, in its order",
        "deployed.json  what is live and what was before",
        "current        the live release; its settings are settings/current.env",
    ]
    return "\n".join(lines)


def _link_by_hand(release: str, deployment: str) -> str:
    return (
        f'cd "@ROOT@" && ln -s {release_directory(release)} back && mv -T back current'
        f" && ln -s {deployment}.env settings/back && mv -T settings/back settings/current.env"
    )
