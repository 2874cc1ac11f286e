"""What is exported under which name, and what its fields mean: the words of the export's README."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Noun:
    file: str
    table: str
    sentence: str
    #: Only these columns; empty: all but `without`.
    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ("token",)
    #: Columns that are JSON where others have one of that name.
    plain: tuple[str, ...] = ()

    def has(self, column: str) -> bool:
        return column in self.only if self.only else column not in self.without

    def is_json(self, column: str) -> bool:
        return column in JSON and column not in self.plain


NOUNS = (
    Noun(
        "repositories.jsonl",
        "repositories",
        "Git repositories that the server knows.",
        # How often in a row it could not be reached.
        plain=("faults",),
    ),
    Noun("commits.jsonl", "commits", "Commits that a run or a release is of."),
    Noun("runs.jsonl", "runs", "Executions of a pipeline for a commit."),
    Noun("jobs.jsonl", "jobs", "Jobs of runs, each with its latest attempt."),
    Noun("attempts.jsonl", "attempts", "Attempts of jobs that were followed by another one."),
    Noun("steps.jsonl", "steps", "Steps of jobs' attempts."),
    Noun("tests.jsonl", "test_cases", "Test cases from the reports of jobs' latest attempts."),
    Noun(
        "artifacts.jsonl",
        "job_artifacts",
        "Files that jobs left; the bytes lie in the data folder by their SHA-256.",
    ),
    Noun("releases.jsonl", "releases", "Releases: a commit with its artifacts."),
    Noun("release-artifacts.jsonl", "release_artifacts", "Which artifacts a release has."),
    Noun("requests.jsonl", "requests", "Wishes for deployments."),
    Noun("approvals.jsonl", "approvals", "What people said to them."),
    Noun(
        "deployments.jsonl", "deployments", "One release to one environment, each time it was brought there."
    ),
    Noun("hosts.jsonl", "deployment_hosts", "What became of each host of a deployment."),
    Noun("deployment-steps.jsonl", "deployment_steps", "What was done on each host, with its masked output."),
    Noun("deployment-changes.jsonl", "deployment_changes", "What a deployment was compared with."),
    Noun("deployment-commits.jsonl", "deployment_commits", "Commits that a deployment brought."),
    Noun(
        "people.jsonl",
        "people",
        "People who have an account.",
        only=("handle", "display_name", "email", "role", "created_at", "disabled_at"),
    ),
    Noun("audit.jsonl", "audit", "What was changed, by whom, from where."),
)

RENAMED = {"release_id": "release", "commit_sha": "commit"}
#: Stored as 0 and 1.
FLAGS = {
    "allow_failure",
    "approval_verified",
    "dirty",
    "executable",
    "force",
    "fork",
    "production",
    "rolled_back_automatically",
    "verified",
    "yes",
}
#: Stored as text that is JSON.
JSON = {
    "became",
    "faults",
    "matrix",
    "needs",
    "obstacles",
    "outputs",
    "parameters",
    "parents",
    "plan",
    "selection",
    "was",
}

FIELDS = {
    "action": "what was done, as noun.verb",
    "actor": "who did it",
    "address": "from where",
    "allow_failure": "whether the run may succeed without it",
    "approval_verified": "whether it is certain that the approver was the one that is named",
    "approved_by": "who approved it",
    "at": "when",
    "attempt": "counted from 1",
    "author": "as git has it",
    "authored_at": "as git has it",
    "base": "the commit that was live before",
    "batch": "hosts of one batch are switched together",
    "became": "after the change",
    "branch": "the branch it was begun for",
    "cancel_reason": "why it was asked to stop",
    "cause": "why it was made",
    "comment": "what they wrote with it",
    "commit_sha": "the id of the commit",
    "committed_at": "as git has it",
    "committer": "as git has it",
    "created_at": "when it was made",
    "created_by": "who made it",
    "default_branch": "the branch that HEAD names",
    "definition": "its name in headway.toml; jobs of a matrix share one",
    "deployment": "the id of the deployment",
    "dirty": "whether the tree had changes that were in no commit",
    "disabled_at": "since when they cannot sign in",
    "duration": "in seconds",
    "email": "for what is sent to them",
    "environment": "its name in headway.toml",
    "event": "what began it: push, tag, pull_request, cron, manual, release, rerun, try; empty: a command",
    "executable": "whether it may be executed",
    "exit_code": "of its process",
    "file": "where the test stands",
    "finished_at": "when it ended",
    "first_switched_at": "when the first host was switched",
    "force": "whether guards were passed over",
    "forge": "what kind of server it lies on",
    "fork": "whether it is of somebody else's copy",
    "handle": "what approvals and the audit call them",
    "host": "its name in headway.toml or org.toml",
    "id": "unique; begins with its kind and sorts by the time it was made",
    "job": "the id of the job",
    "kept": "bytes of its log",
    "kind": "what kind it is",
    "log_end": "where its part of the job's log ends, in bytes",
    "log_start": "where its part of the job's log begins, in bytes",
    "matrix": "its values, by axis",
    "message": "what the report says of it",
    "name": "its name",
    "needs": "the definitions that it waits for",
    "number": "counted from 1 within its service",
    "obstacles": "what stood in its way",
    "output": "the masked output",
    "outputs": "what it handed to the jobs that need it",
    "parameters": "the values a manual run was given",
    "parents": "ids of the commits before it",
    "path": "relative to the repository's top",
    "plan": "what was decided when it began",
    "position": "its place in the order",
    "previous_release": "the release that stood there before",
    "production": "whether the environment counts as production",
    "queued_at": "when it was made",
    "reason": "why it is in its state",
    "release_id": "the id of the release",
    "removed_at": "when retention, or somebody, removed it; the row stays",
    "renewed_at": "when the same content was last made or asked for",
    "repository": "the folder of the repository, or its id",
    "request": "the id of the request",
    "requested_at": "when it was asked for",
    "requested_by": "who asked for it",
    "reverted_at": "when the host went back",
    "role": "viewer, developer, operator or administrator",
    "rolled_back_automatically": "whether nobody had to ask for it",
    "run": "the id of the run",
    "selection": "the jobs that were asked for; none: all",
    "service": "its name in headway.toml",
    "sha": "the id of the commit",
    "sha256": "of its bytes",
    "size": "in bytes",
    "started_at": "when it began to run",
    "state": "what has become of it",
    "step": "what was done",
    "subject": "what it is about; of a commit its first line",
    "suite": "the report's suite",
    "switched_at": "when the host was switched to the release",
    "tag": "the tag it was begun for",
    "tests_errored": "of its test cases",
    "tests_failed": "of its test cases",
    "tests_skipped": "of its test cases",
    "tests_total": "of its test cases",
    "tree": "the id of the files it is of",
    "verified_at": "when it was found to be well",
    "via": "by a session, a token, a command, or Headway itself",
    "was": "before the change",
    "yes": "approved, or refused",
}
