"""Which artifact a job's globs take in: the same answer as the collecting of artifacts gives on real files."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.drivers.artifact_files import collect
from headway.drivers.artifacts import ArtifactMissing
from headway.wire.contract.globs import any_takes_in


@pytest.mark.parametrize(
    ("globs", "path", "taken"),
    [
        (["dist/app.tar.gz"], "dist/app.tar.gz", True),
        (["dist/*.gz"], "dist/app.tar.gz", True),
        (["*.gz"], "dist/app.tar.gz", False),
        (["*.gz"], "app.tar.gz", True),
        (["dist"], "dist/app.tar.gz", True),
        (["dist/"], "dist/deep/app.tar.gz", True),
        (["di*"], "dist/app.tar.gz", True),
        (["dist/**"], "dist/deep/app.tar.gz", True),
        (["**/*.gz"], "app.gz", True),
        (["a/**/b/*.gz"], "a/x/y/b/app.gz", True),
        (["a/**/b/*.gz"], "a/b/app.gz", True),
        (["a/**/b/*.gz"], "a/x/app.gz", False),
        (["other", "dist/?pp.gz"], "dist/app.gz", True),
        ([], "app.gz", False),
    ],
)
def test_examples(globs: list[str], path: str, taken: bool) -> None:
    assert any_takes_in(globs, path) is taken


part = st.sampled_from(["a", "b", "ab", "a.b"])
paths = st.lists(part, min_size=1, max_size=3).map("/".join)
glob = st.lists(part | st.sampled_from(["*", "?", "a*", "**", "*.b"]), min_size=1, max_size=3).map("/".join)


@settings(max_examples=60, deadline=None)
@given(paths, glob)
def test_as_the_collecting_of_artifacts_has_it(
    tmp_path_factory: pytest.TempPathFactory, path: str, glob: str
) -> None:
    folder = Path(tmp_path_factory.mktemp("work"))
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text("")
    try:
        collected = bool(collect(folder, [glob]))
    except ArtifactMissing:
        collected = False
    assert any_takes_in([glob], path) is collected
