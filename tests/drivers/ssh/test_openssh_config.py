"""An ssh config means what OpenSSH makes of it: Include, Match, tokens, what comes first."""

import getpass
import shutil
from pathlib import Path

import pytest

from headway.domain.contract import HostSpec
from headway.drivers.ssh import openssh_config
from headway.drivers.ssh.errors import SshConfigFault
from headway.drivers.ssh.resolving import Resolver
from headway.drivers.ssh.settings import SshSettings
from tests.support.ssh_configs import needs_openssh, resolved
from tests.support.sshd import make_key

pytestmark = needs_openssh


USERS = [
    ("the first value wins", "Host web\n User first\nHost *\n User second\n", "first"),
    ("a pattern that is taken out", "Host * !web\n User other\nHost *\n User right\n", "right"),
    ("words in quotes and an equals sign", 'Host=web\n User = "right"\n', "right"),
    ("exec with words in quotes", 'Match originalhost web exec "test 1 = 1"\n User right\n', "right"),
    ("exec that fails", 'Match exec "test 1 = 2"\n User wrong\nHost *\n User right\n', "right"),
    ("exec with a token", "Match exec \"test %n = 'web'\"\n User right\n", "right"),
    ("not exec", "Match !exec false\n User right\n", "right"),
    ("host is the new name", "Host web\n HostName inner\nMatch host inner\n User right\n", "right"),
    ("the old name", "Host web\n HostName inner\nMatch originalhost web\n User right\n", "right"),
    ("the user here", f"Match localuser {getpass.getuser()}\n User right\n", "right"),
    ("at the end", "Match final host web\n User right\nHost *\n Port 22\n", "right"),
    ("not canonical", "Match canonical\n User wrong\nMatch all\n User right\n", "right"),
    ("a file that holds a Host of its own", "Include part\nHost *\n User outer\n", "inner"),
    ("a file for another host", "Host db\n Include part\nHost *\n User outer\n", "outer"),
    ("a Match behind a file", "Include part\nMatch host db\n User wrong\n", "inner"),
]


@pytest.mark.parametrize(("config", "user"), [row[1:] for row in USERS], ids=[row[0] for row in USERS])
async def test_a_config_means_what_openssh_makes_of_it(tmp_path: Path, config: str, user: str) -> None:
    (tmp_path / "part").write_text("Host web\n User inner\n")
    found = await resolved(tmp_path, config.replace("Include part", f"Include {tmp_path}/part"))
    assert found.user == user


async def test_match_user_is_the_user_that_the_host_itself_names(tmp_path: Path) -> None:
    found = await resolved(tmp_path, "Match user deploy\n Port 2222\nHost *\n User other\n", user="deploy")
    assert (found.user, found.port) == ("deploy", 2222)


async def test_a_config_that_waits_is_given_up_and_its_command_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openssh_config, "_WITHIN", 0.5)
    with pytest.raises(SshConfigFault, match="did not say"):
        await resolved(tmp_path, f'Match exec "echo $$ >{tmp_path}/pid; exec sleep 600"\n User x\n')
    if (tmp_path / "pid").exists():
        assert not _lives(int((tmp_path / "pid").read_text()))


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.mark.parametrize("address", ["$(touch made)", "-oProxyCommand=touch made", "a;b", "a`b`", "a b"])
async def test_a_name_that_a_shell_would_read_reaches_no_command(tmp_path: Path, address: str) -> None:
    with pytest.raises(SshConfigFault, match="no address"):
        await resolved(tmp_path, 'Match exec "true %h"\n User x\n', address)
    with pytest.raises(SshConfigFault, match="no user"):
        await resolved(tmp_path, "", user=address)


async def test_without_openssh_a_config_is_refused_and_no_config_is_fine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(openssh_config, "_MACHINE_CONFIG", tmp_path / "none")
    with pytest.raises(SshConfigFault, match="OpenSSH's client is not on this machine"):
        await resolved(tmp_path, "User x\n")
    (tmp_path / ".ssh").mkdir()
    make_key(tmp_path / ".ssh" / "id_ed25519")
    plain = await Resolver(SshSettings(home=tmp_path)).resolve(HostSpec(name="a", address="web", port=23))
    assert len(plain.options.client_keys or ()) == 1
    assert (plain.address, plain.port, plain.user) == ("web", 23, getpass.getuser())
    assert plain.known_hosts[0] == tmp_path / ".ssh" / "known_hosts"


async def test_the_config_at_home_counts_wherever_home_is(tmp_path: Path) -> None:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").write_text("Host web\n User at-home\n IdentityFile ~/key\n")
    make_key(tmp_path / "key")
    found = await Resolver(SshSettings(home=tmp_path)).resolve(HostSpec(name="a", address="web"))
    assert found.user == "at-home"
    assert len(found.options.client_keys or ()) == 1


async def test_a_changed_config_counts_for_the_next_connection(tmp_path: Path) -> None:
    resolver = Resolver(SshSettings(home=tmp_path, config=tmp_path / "config"))
    for user in ("one", "two"):
        (tmp_path / "config").write_text(f"User {user}\n")
        assert (await resolver.resolve(HostSpec(name="a", address="web"))).user == user
