"""What runs on a host outside of the runner's jobs, as POSIX sh: the step's frame, looking, taking the lock, letting go.

The hosts give the token (docs/decisions/0006): `epochs/` holds one directory a number. Who takes the next
number by plain `mkdir` is the owner; everything an owner starts or renames lies inside its own directory, and its
successor renames that directory first, so a late owner's `mkdir` and `mv` fail by themselves.
"""

import hashlib
import json
import shlex
from collections.abc import Mapping, Sequence

#: Frame of every step: the journal's begin, the settings, the step itself, the journal's end. A step whose end
#: stands in the journal is not done again, whoever asks.
STEP_SCRIPT = r"""#!/bin/sh
# Headway's frame round one step: step.sh ROOT EPOCH SETTINGS KEY MORE, then the words by which sh reads the step.
set -u
root=$1 epoch=$2 settings=$3 key=$4 more=$5
shift 5
if grep -qF "{$key,\"event\":\"end\",\"exit\":0," "$root/journal" 2>/dev/null; then
  echo "done before"; exit 0
fi
if [ ! -d "$epoch" ]; then echo "another owner has taken this host"; exit 75; fi
note() {
  printf '%s\n' "{$key,$1,$more,\"at\":\"$(date -u +%Y-%m-%dT%H:%M:%SZ)\"}" >>"$root/journal" || {
    echo "the journal $root/journal cannot be written"; exit 74
  }
}
HEADWAY_ROOT=$root HEADWAY_EPOCH=$epoch
export HEADWAY_ROOT HEADWAY_EPOCH
if [ -n "$settings" ]; then
  if [ ! -r "$root/$settings" ]; then echo "the settings $root/$settings are gone"; exit 74; fi
  set -a; . "$root/$settings"; set +a
fi
note '"event":"begin"'
sh -eu "$@"
code=$?
note "\"event\":\"end\",\"exit\":$code"
exit $code
"""
STEP_SCRIPT_PATH = f"bin/step-{hashlib.sha256(STEP_SCRIPT.encode()).hexdigest()[:12]}.sh"

#: Exit codes of the scripts below.
TAKEN_BY_ANOTHER = 17
CANNOT_WRITE = 20
LOST = 9


def journal_key(deployment: str, host: str, step: str) -> str:
    """The part of a journal's line that says which step it is of, without the outer braces."""
    return _inside({"deployment": deployment, "host": host, "step": step})


def journal_more(release: str, token: int, attempt: int, extra: Mapping[str, object] | None = None) -> str:
    """The part that a line carries besides."""
    return _inside({"release": release, "epoch": token, "attempt": attempt, **(extra or {})})


def _inside(values: Mapping[str, object]) -> str:
    return json.dumps(values, separators=(",", ":"))[1:-1]


def go_to(root: str) -> str:
    """Sets $root, absolute: one that is relative lies in $HOME, wherever a login begins."""
    return f"root={shlex.quote(root)}\ncase $root in /*) ;; *) root=$HOME/$root ;; esac\n"


_LOOK = r"""
# A runner that wrote who it is, and is not there any more: of an earlier boot, or dead.
lost() {
  b= p= t= e=
  read -r b p t e 2>/dev/null <"$1/owner" || return 1
  case $e in *' end') ;; *) return 1 ;; esac
  read -r now 2>/dev/null </proc/sys/kernel/random/boot_id || return 1
  [ "$b" = "$now" ] || return 0
  read -r l 2>/dev/null <"/proc/$p/stat" || return 0
  set -- ${l##*) }
  case $1 in [ZX]*) return 0 ;; esac
  [ "${20}" != "$t" ]
}
look() {
  printf 'root %s\n' "$root"
  cd "$root" 2>/dev/null || { echo absent; return 0; }
  for d in epochs/*; do
    [ -d "$d" ] || continue
    n=${d#epochs/}
    case $n in
    *.closed) echo "closed ${n%.closed}" ;;
    *)
      echo "open $n"
      if read -r l 2>/dev/null <"$d/owner.json"; then printf 'owner %s %s\n' "$n" "$l"; fi
      if read -r l 2>/dev/null <"$d/beat"; then printf 'beat %s %s\n' "$n" "$l"; fi
      ;;
    esac
    for s in "$d"/steps/*; do
      [ -d "$s" ] || continue
      if [ -s "$s/result" ] || [ -e "$s/over" ]; then echo "ended $s"
      elif lost "$s"; then echo "lost $s"
      else echo "going $s"; fi
    done
  done
  if l=$(readlink current); then printf 'current %s\n' "$l"; fi
  if l=$(readlink settings/current.env); then printf 'current-settings %s\n' "$l"; fi
  for f in current settings/current.env; do
    if [ -e "$f" ] && [ ! -L "$f" ]; then printf 'in-the-way %s\n' "$f"; fi
  done
  if read -r l 2>/dev/null <deployed.json; then printf 'deployed %s\n' "$l"; fi
  for f in releases/*; do
    if [ -d "$f" ] && read -r l 2>/dev/null <"unpacked/${f#releases/}"; then printf 'release %s %s\n' "${f#releases/}" "$l"; fi
  done
  for f in prepared/*; do
    if read -r l 2>/dev/null <"$f"; then printf 'prepared %s %s\n' "${f#prepared/}" "$l"; fi
  done
  for f in settings/*.env; do [ -f "$f" ] && printf 'settings %s\n' "${f#settings/}"; done
  return 0
}
"""


def look_script(root: str) -> str:
    """Reads what stands on a host; changes nothing. Its output is for `record.read_record`."""
    return f"{go_to(root)}{_LOOK}look\n"


def journal_script(root: str, lines: int) -> str:
    """The last `lines` of the journal."""
    return f'{go_to(root)}tail -n {lines} "$root/journal" 2>/dev/null || :\n'


def take_script(root: str, token: int, stale: Sequence[int], owner: str) -> str:
    """Takes epoch `token`, closes the `stale` ones, and looks at the host as it is then.

    `owner` is one line of JSON. Anything open that is not in `stale`, and anything higher, belongs to somebody
    who came meanwhile: then what was taken is given back. Exit 0, TAKEN_BY_ANOTHER or CANNOT_WRITE.
    """
    return f"""{go_to(root)}{_LOOK}
n={token} stale={shlex.quote(" ".join(map(str, stale)))}
umask 022
mkdir -p "$root/epochs" "$root/releases" "$root/shared" "$root/settings" "$root/uploads" "$root/prepared" \\
  "$root/unpacked" "$root/bin" || exit {CANNOT_WRITE}
chmod 700 "$root/settings"
cd "$root" || exit {CANNOT_WRITE}
mkdir "epochs/$n" || {{
  [ -d "epochs/$n" ] && {{ look; exit {TAKEN_BY_ANOTHER}; }}
  exit {CANNOT_WRITE}
}}
other=
for d in epochs/*; do
  k=${{d#epochs/}}
  case $k in
  "$n") ;;
  *.closed) [ "${{k%.closed}}" -lt "$n" ] || other=$k ;;
  *) case " $stale " in *" $k "*) [ "$k" -lt "$n" ] || other=$k ;; *) other=$k ;; esac ;;
  esac
done
give_back() {{ mv -T "epochs/$n" "epochs/$n.closed" 2>/dev/null || rm -rf "epochs/$n"; }}
if [ -n "$other" ]; then give_back; look; exit {TAKEN_BY_ANOTHER}; fi
mkdir "epochs/$n/steps" &&
  printf '%s\\n' {shlex.quote(owner)} >"epochs/$n/owner.json" &&
  echo 0 >"epochs/$n/beat" || {{ give_back; exit {CANNOT_WRITE}; }}
for k in $stale; do
  if [ -d "epochs/$k" ]; then mv -T "epochs/$k" "epochs/$k.closed"; fi
done
if [ ! -s {STEP_SCRIPT_PATH} ]; then
  cat >"epochs/$n/step.sh" <<'HEADWAY-END-OF-STEP'
{STEP_SCRIPT}HEADWAY-END-OF-STEP
  [ $? = 0 ] && mv -T "epochs/$n/step.sh" {STEP_SCRIPT_PATH} || {{ give_back; exit {CANNOT_WRITE}; }}
fi
look
"""


def beat_script(root: str, token: int, count: int) -> str:
    """Shows that the owner lives. Exit LOST when another has taken the host."""
    return (
        f'{go_to(root)}[ -d "$root/epochs/{token}" ] || exit {LOST}\n'
        f'echo {count} >"$root/epochs/{token}/beat"\n'
    )


def holds_script(root: str, token: int) -> str:
    """Changes nothing. Exit LOST when another has taken the host."""
    return f'{go_to(root)}[ -d "$root/epochs/{token}" ] || exit {LOST}\n'


def close_script(root: str, token: int) -> str:
    """Lets go. The directory stays under its closed name, so that no number is ever given twice."""
    return (
        f'{go_to(root)}[ -d "$root/epochs/{token}" ] || exit 0\n'
        f'mv -T "$root/epochs/{token}" "$root/epochs/{token}.closed"\n'
    )


def framed_script(root: str, token: int, key: str, more: str, script: str) -> str:
    """A step of Headway's own outside of a job: short, harmless when done twice, framed like every step."""
    words = " ".join(shlex.quote(word) for word in (key, more))
    return (
        f"{go_to(root)}epoch=$root/epochs/{token}\n"
        f'sh "$root/{STEP_SCRIPT_PATH}" "$root" "$epoch" "" {words} -c {shlex.quote(script)}\n'
    )
