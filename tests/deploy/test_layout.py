"""Where things lie on a host, and what a name there tells of."""

import pytest

from headway.deploy.layout import (
    group_and_attempt,
    own_file,
    prepared_marker,
    release_directory,
    root_of,
    settings_file,
    step_directory,
    step_of,
    unpacked_marker,
    upload_path,
)
from tests.deploy.examples import deploy_spec, environment, host, plan


def test_names_that_older_versions_left_on_hosts() -> None:
    assert release_directory("rel-b") == "releases/rel-b"
    assert unpacked_marker("rel-b") == "unpacked/rel-b"
    assert prepared_marker("rel-b") == "prepared/rel-b"
    assert settings_file("dep-2") == "settings/dep-2.env"
    assert own_file("dep-2") == "settings/dep-2.json"
    assert step_directory(7, "dep-2", "web1", "switch", 3) == "epochs/7/steps/dep-2.web1.switch.3"
    assert step_directory(7, "dep-2", "rack/web1", "back", 1) == "epochs/7/steps/dep-2.rack_web1.back.1"


def test_a_root_is_the_environments_own_or_that_of_deploy() -> None:
    values = plan().values(host("web1"), "rel-b")
    spec = deploy_spec(root="/srv/{service}/{environment}")
    assert root_of(spec, environment(), values) == "/srv/shop/production"
    assert root_of(spec, environment(root="apps/{host}"), values) == "apps/web1"


@pytest.mark.parametrize(
    ("artifact", "path"),
    [
        ("dist/shop.tar.gz", "uploads/cc.tar.gz"),
        ("shop.tgz", "uploads/cc.tgz"),
        ("shop.tar", "uploads/cc.tar"),
        ("shop.zip", "uploads/cc.zip"),
        ("shop.gz", "uploads/cc"),
        ("dist.zip/shop", "uploads/cc"),
    ],
)
def test_an_archive_keeps_its_ending_on_its_way(artifact: str, path: str) -> None:
    assert upload_path("cc", artifact) == path


@pytest.mark.parametrize("name", ["web1", "rack/web1", "web-1.example.org", "web.switch.9"])
def test_a_steps_directory_is_known_again_whatever_its_host_is_called(name: str) -> None:
    path = step_directory(7, "dep-2", name, "back", 12)
    assert path.count("/") == 3
    assert group_and_attempt(path.rpartition("/")[2]) == ("back", 12)
    assert step_of(path) == (7, "dep-2", "back")
    assert step_of(path.replace("epochs/7/", "epochs/7.closed/")) == (7, "dep-2", "back")


@pytest.mark.parametrize(
    "path",
    [
        "",
        "dep-2.web1.back.1",
        "epochs/7/dep-2.web1.back.1",
        "epochs/x/steps/dep-2.web1.back.1",
        "epochs/7.old/steps/dep-2.web1.back.1",
        "epochs/7/steps/dep-2.web1.back",
        "epochs/7/steps/dep-2.web1.back.1.log",
        "epochs/7/steps/rel-2.web1.back.1",
        "epochs/7/steps/more/dep-2.web1.back.1",
    ],
)
def test_what_headway_did_not_name_is_no_step(path: str) -> None:
    assert step_of(path) is None


@pytest.mark.parametrize(
    "name", ["", "dep-2.web1.back", "dep-2.web1.back.1.log", "rel-2.web1.back.1", "notes"]
)
def test_a_folder_beside_the_steps_is_none(name: str) -> None:
    assert group_and_attempt(name) is None
