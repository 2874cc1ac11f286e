-- Lists of runs by what people filter them by, and the ways from one run to those that repeat or replace it.

CREATE INDEX runs_by_state ON runs (state, created_at);

CREATE INDEX runs_by_event ON runs (event, created_at);

CREATE INDEX runs_of_branch ON runs (branch, created_at);

CREATE INDEX runs_by_rerun ON runs (rerun_of) WHERE rerun_of IS NOT NULL;

CREATE INDEX runs_by_superseder ON runs (superseded_by) WHERE superseded_by IS NOT NULL;
