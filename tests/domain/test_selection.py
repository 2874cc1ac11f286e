"""Selectors: what they mean, and what is said of those that mean nothing."""

import pytest

from headway.domain.contract import Contract, HostSpec, ServiceSpec
from headway.domain.selection import NoSuchHosts, select_hosts

HOSTS = {
    name: HostSpec(name, f"{name}.example", labels=labels)
    for name, labels in {
        "web-1": {"zone": "a"},
        "web-2": {"zone": "b"},
        "worker-1": {"zone": "a", "size": "big"},
    }.items()
}
CONTRACT = Contract(1, ServiceSpec("shop"), hosts=HOSTS, groups={"web": ("web-2", "web-1")})


@pytest.mark.parametrize(
    ("selectors", "names"),
    [
        (["web-1"], ["web-1"]),
        (["group:web"], ["web-2", "web-1"]),
        (["label:zone=a"], ["web-1", "worker-1"]),
        (["worker-1", "group:web", "web-1"], ["worker-1", "web-2", "web-1"]),
        ([" web-1 "], ["web-1"]),
        ([], []),
    ],
)
def test_what_selectors_mean(selectors: list[str], names: list[str]) -> None:
    assert [host.name for host in select_hosts(CONTRACT, selectors)] == names


@pytest.mark.parametrize(
    ("selector", "message", "hint"),
    [
        ("web-3", "no host 'web-3'", "did you mean web-"),
        ("database", "no host 'database'", "there are: web-1, web-2, worker-1"),
        ("web", "is a group", "write group:web"),
        ("group:wep", "no group 'wep'", "did you mean group:web?"),
        ("label:zone", "has no value", "write label:zone=VALUE"),
        ("label:zone=c", "no host has the label zone=c", "zone is one of a, b"),
        ("label:size=bog", "no host has the label size=bog", "did you mean label:size=big?"),
        ("label:zune=a", "no label 'zune'", "did you mean label:zone?"),
        ("groop:web", "'groop:' is not known", "did you mean group:web?"),
        ("x:web", "'x:' is not known", "write NAME, group:NAME or label:NAME=VALUE"),
    ],
)
def test_what_means_nothing_is_named_with_the_near_word(selector: str, message: str, hint: str) -> None:
    with pytest.raises(NoSuchHosts, match=message) as caught:
        select_hosts(CONTRACT, [selector])
    assert caught.value.hint is not None and caught.value.hint.startswith(hint)
    assert caught.value.exit_code == 2


def test_without_hosts_it_says_where_they_are_written() -> None:
    with pytest.raises(NoSuchHosts) as caught:
        select_hosts(Contract(1, ServiceSpec("shop")), ["web-1"])
    assert caught.value.hint == "write [hosts] into headway.toml"
