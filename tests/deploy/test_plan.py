import json
from dataclasses import replace

import pytest

from headway.deploy.own_files import Found, OwnFile, with_own_files
from headway.deploy.plan import differences, fingerprint, from_json, to_json
from tests.deploy.examples import BEFORE, deploy_spec, host, plan


def test_comes_back_from_json_as_it_was() -> None:
    whole = fingerprint(plan(host("web1"), host("web2", 1, None)), {"TOKEN": "very secret"})
    assert from_json(to_json(whole)) == whole
    own = OwnFile(deploy_spec(prepare="./bin/of-then"), ("main",))
    known = with_own_files(whole, {"web1": Found(BEFORE, BEFORE, own, own, own)}, {})
    assert from_json(to_json(known)) == known
    # However many hosts: each file once.
    assert known.files == (own.deploy,)
    assert "very secret" not in to_json(whole)


def test_a_field_of_an_older_plan_gets_its_default() -> None:
    text = to_json(plan()).replace('"rollback":false,', "")
    assert from_json(text) == plan()


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("service", 5, "str expected, not int"),
        ("rollback", "yes", "bool expected, not str"),
        ("epoch", None, "int expected, not NoneType"),
        ("fingerprints", {"TOKEN": 1}, "str expected, not int"),
        ("files", [{"kind": "spaceship"}], "'spaceship' is not a valid DeployKind"),
    ],
)
def test_what_is_no_plan_is_refused_with_what_stands_there(path: str, value: object, told: str) -> None:
    plain = json.loads(to_json(plan()))
    with pytest.raises(ValueError, match=told):
        from_json(json.dumps({**plain, path: value}))


def test_a_setting_that_an_older_headway_stored_is_still_known() -> None:
    stored = replace(plan(), salt="00ff", fingerprints={"TOKEN": "58259767aaa0cecc602ef3b5a87e885d"})
    assert differences(stored, plan(), {"TOKEN": "secret"}) == ()


def test_differences_name_what_changed_and_never_the_value() -> None:
    before = fingerprint(plan(host("web1"), host("web2")), {"A": "1", "B": "2", "TOKEN": "old secret"})
    after = plan(host("web1"), host("web3"), deploy=deploy_spec(prepare="./bin/other"))
    found = differences(before, after, {"A": "1", "C": "3", "TOKEN": "new secret"})
    assert found == (
        "- B: no longer set",
        "+ C: new",
        "~ TOKEN: changed",
        "~ [deploy] prepare: changed",
        "+ host web3",
        "- host web2",
    )


def test_nothing_changed_is_no_difference() -> None:
    settings = {"A": "1", "TOKEN": "secret"}
    before = fingerprint(plan(), settings)
    assert differences(before, replace(plan(), deployment="dep-9", release="rel-c"), settings) == ()


def test_the_same_value_has_another_fingerprint_in_another_plan() -> None:
    one, two = (fingerprint(plan(), {"TOKEN": "secret"}) for _ in range(2))
    assert one.fingerprints != two.fingerprints
