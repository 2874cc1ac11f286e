from pathlib import Path

import pytest

from headway.base.errors import WrongUse
from headway.main.settings import read_settings


def test_the_data_folder_follows_the_platform_unless_it_is_named(monkeypatch):
    monkeypatch.setattr("sys.platform", "linux")
    assert read_settings({"HOME": "/home/ana"}).data == Path("/home/ana/.local/share/headway")
    assert read_settings({"HOME": "/home/ana", "XDG_DATA_HOME": "/d"}).data == Path("/d/headway")
    assert read_settings({"HOME": "/home/ana", "HEADWAY_DATA": "/srv/hw"}).data == Path("/srv/hw")
    monkeypatch.setattr("sys.platform", "darwin")
    assert read_settings({"HOME": "/Users/ana"}).data == Path(
        "/Users/ana/Library/Application Support/headway"
    )


def test_the_database_is_a_file_in_the_data_folder_unless_it_is_named():
    assert read_settings({"HEADWAY_DATA": "/srv/hw"}).database_url == "sqlite:////srv/hw/headway.db"
    named = {"HEADWAY_DATA": "/srv/hw", "HEADWAY_DATABASE_URL": "postgresql://hw@db/headway"}
    assert read_settings(named).database_url == "postgresql://hw@db/headway"


def test_an_unknown_kind_of_database_is_refused_without_printing_its_address():
    with pytest.raises(WrongUse) as refused:
        read_settings({"HEADWAY_DATABASE_URL": "mysql://root:hunter2@db/x"})
    assert "mysql" in refused.value.message
    assert "hunter2" not in refused.value.message
    assert refused.value.exit_code == 2
