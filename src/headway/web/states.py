"""The icon and the word of each state: one shape for each, so that no state is known by its colour alone."""

#: State -> (icon of templates/icons.html, word). Runs, jobs, steps, deployments and their hosts share it.
_MARKS = {
    "succeeded": ("ok", "succeeded"),
    "passed": ("ok", "passed"),
    "live": ("ok", "live"),
    "finished": ("ok", "live"),
    "verified": ("ok", "verified"),
    "failed": ("fail", "failed"),
    "lost": ("fail", "lost"),
    "errored": ("error", "errored"),
    "running": ("run", "running"),
    "rolling_back": ("back-run", "rolling back"),
    "rolled_back": ("back", "rolled back"),
    "reverted": ("back", "taken back"),
    "queued": ("wait", "queued"),
    "waiting": ("wait", "waiting"),
    "held": ("held", "held"),
    "cancelled": ("stop", "cancelled"),
    "skipped": ("skip", "skipped"),
    # of a host within a deployment
    "preparing": ("run", "preparing"),
    "prepared": ("wait", "prepared"),
    "migrating": ("run", "migrating"),
    "migrated": ("wait", "migrated"),
    "switching": ("run", "switching"),
    "checking": ("run", "checking health"),
    "undraining": ("run", "taking traffic"),
    "watching": ("run", "being watched"),
    "finishing": ("run", "tidying up"),
    "unprepared": ("fail", "not prepared"),
    "broken": ("fail", "broken"),
    "reverting": ("back-run", "going back"),
    "rechecking": ("back-run", "checking health again"),
    "readmitting": ("back-run", "taking traffic again"),
    "stuck": ("error", "stuck"),
    # A person left it out, or it was not reached: the reason says which.
    "left_out": ("error", "missed"),
    # of a host between deployments
    "left_over": ("error", "left over"),
    "unclear": ("error", "unclear"),
    "": ("skip", "nothing there"),
}


def icon(state: str) -> str:
    return _MARKS.get(state, ("wait", ""))[0]


def word(state: str) -> str:
    found = _MARKS.get(state)
    return found[1] if found else state.replace("_", " ")


def tone(state: str) -> str:
    """good, bad, warn, info or quiet: for cells and tags."""
    return _TONES.get(icon(state), "quiet")


_TONES = {
    "ok": "good",
    "fail": "bad",
    "error": "warn",
    "back": "warn",
    "held": "warn",
    "run": "info",
    "back-run": "info",
}
