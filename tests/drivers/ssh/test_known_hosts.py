"""known_hosts as OpenSSH reads it; ssh-keygen is the oracle for hashes and fingerprints."""

import base64
import shutil
import subprocess
from pathlib import Path

import pytest

from headway.drivers.ssh.known_hosts import KnownKeys, fingerprint, host_pattern, read_known_keys, read_lines

ONE, TWO = (base64.b64encode(name.encode() * 8).decode() for name in ("one1", "two2"))


def known(text: str, folder: Path, host: str, port: int = 22, presented: bytes | None = None) -> KnownKeys:
    path = folder / "known_hosts"
    path.write_text(text)
    return read_known_keys(read_lines(path), host, port, presented)


def keys_of(found: KnownKeys) -> list[tuple[int, str]]:
    return [(key.line, key.text.split()[1]) for key in found.trusted]


@pytest.mark.parametrize(
    ("line", "host", "port", "matches"),
    [
        ("web1", "web1", 22, True),
        ("WEB1", "Web1", 22, True),
        ("web1,10.0.0.1", "10.0.0.1", 22, True),
        ("web1", "web2", 22, False),
        ("web1", "web1", 2222, True),
        ("[web1]:2222", "web1", 2222, True),
        ("[web1]:2222", "web1", 22, False),
        ("[web1]:2222", "web1", 2223, False),
        ("*.example.org", "a.example.org", 22, True),
        ("*.example.org,!b.example.org", "b.example.org", 22, False),
        ("web?", "web1", 22, True),
        ("[web*]:2222", "web1", 2222, True),
        ("[::1]:2222", "::1", 2222, True),
    ],
)
def test_names_and_ports(tmp_path: Path, line: str, host: str, port: int, matches: bool) -> None:
    found = known(f"{line} ssh-ed25519 {ONE} a comment\n", tmp_path, host, port)
    assert bool(found.trusted) is matches


def test_another_ports_plain_name_counts_only_for_the_very_key(tmp_path: Path) -> None:
    text = f"web1 ssh-ed25519 {ONE}\n"
    assert known(text, tmp_path, "web1", 2222, base64.b64decode(ONE)).trusted
    assert not known(text, tmp_path, "web1", 2222, base64.b64decode(TWO)).trusted


def test_markers_and_lines_that_make_no_sense(tmp_path: Path) -> None:
    text = f"""
# comment
web1 ssh-ed25519 {ONE}
@revoked web1 ssh-ed25519 {TWO}
@cert-authority * ssh-ed25519 {ONE}
@other web1 ssh-ed25519 {ONE}
web1 ssh-ed25519 not-base64!
web1
"""
    found = known(text, tmp_path, "web1")
    assert keys_of(found) == [(3, ONE)]
    assert [key.line for key in found.revoked] == [4]
    assert [key.line for key in found.authorities] == [5]
    assert found.trusted[0].place == f"{tmp_path}/known_hosts:3"


def test_a_file_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert list(read_lines(tmp_path / "nothing")) == []


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="no ssh-keygen here")
def test_hashes_and_fingerprints_are_those_of_openssh(tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
    public = (tmp_path / "key.pub").read_text().split()[:2]
    path = tmp_path / "hashed"
    path.write_text(f"[web1]:2222 {' '.join(public)}\nother {' '.join(public)}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(path)], check=True, capture_output=True)
    assert path.read_text().startswith("|1|")
    (key,) = read_known_keys(read_lines(path), "web1", 2222).trusted
    shown = subprocess.run(
        ["ssh-keygen", "-lf", str(tmp_path / "key.pub")], check=True, capture_output=True, text=True
    ).stdout.split()[1]
    assert key.fingerprint == fingerprint(key.blob) == shown
    assert not read_known_keys(read_lines(path), "web2", 2222).trusted


def test_how_a_host_is_written() -> None:
    assert host_pattern("Web1", 22) == "web1"
    assert host_pattern("10.0.0.1", 2222) == "[10.0.0.1]:2222"
