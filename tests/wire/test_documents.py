"""All that is made from the models of our files."""

from pathlib import Path

from headway.wire.documents import documents, write_documents


def test_they_are_written_into_the_folder_that_is_named(tmp_path: Path) -> None:
    write_documents(tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == set(documents())
    assert {"configuration.md", "headway.schema.json", "org.md", "org.schema.json"} <= set(documents())
