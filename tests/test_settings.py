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


def test_the_user_of_the_unit_and_its_commands_find_one_folder(tmp_path: Path) -> None:
    home, file = tmp_path / "home", tmp_path / "headway.env"
    home.mkdir()
    found = read_settings({"HOME": "/home/ana", "XDG_DATA_HOME": "/d"}, home=home, file=file)
    assert (found.data, found.database_url) == (home / "data", f"sqlite:///{home}/data/headway.db")
    file.write_text(
        "# of this server\nHEADWAY_DATA=/srv/hw\nHEADWAY_DATABASE_URL='postgresql://hw@db/headway'\n"
    )
    found = read_settings({"HOME": "/home/ana"}, home=home, file=file)
    assert (found.data, found.database_url) == (Path("/srv/hw"), "postgresql://hw@db/headway")
    assert read_settings({"HEADWAY_DATA": "/mine"}, home=home, file=file).data == Path("/mine")


def test_nobody_else_is_led_into_the_servers_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "headway.env"
    file.write_text("HEADWAY_DATA=/srv/hw\n")
    usual = Path("/home/ana/.local/share/headway")
    monkeypatch.setattr("sys.platform", "linux")
    assert read_settings({"HOME": "/home/ana"}, home=tmp_path / "no", file=file).data == usual
    monkeypatch.setattr("os.geteuid", lambda: 4711)
    assert read_settings({"HOME": "/home/ana"}, home=tmp_path, file=file).data == usual


def test_a_servers_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "headway.env").mkdir()
    with pytest.raises(WrongUse, match="where its data lies"):
        read_settings({}, home=tmp_path, file=tmp_path / "headway.env")
