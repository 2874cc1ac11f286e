"""`deploy`, `rollback`, `exec`, `tail` and `deployment record` on a server that reaches a real host."""

import json
import re
import signal
from collections.abc import Iterator

import pytest

from headway.domain.people import Scope
from tests.docs.shapes import PAGE, nested, same, tables
from tests.support.command_line import wait_until
from tests.support.served_shop import ServedShop, served_shop
from tests.support.sshd import needs_sshd

pytestmark = needs_sshd
_DEPLOYMENTS = PAGE["headway deploy, headway rollback"]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedShop]:
    with served_shop(tmp_path_factory.mktemp("shop")) as found:
        found.push("first")
        yield found


def serving(shop: ServedShop, environment: str = "staging") -> str:
    """Empty: nothing yet."""
    served = shop.host.folder / f"home/apps/shop-{environment}/serving"
    return served.read_text() if served.exists() else ""


def something_live(shop: ServedShop) -> str:
    """What staging serves; it is deployed there if nothing was."""
    answer = shop.call("deploy", "staging", "--release", "main")
    assert answer.code == 0, answer
    return serving(shop)


@pytest.mark.slow
def test_from_a_dry_run_to_a_rollback(shop: ServedShop) -> None:
    shop.push("one")
    plan = shop.json("deploy", "staging", "--dry-run")
    assert set(plan) == nested(_DEPLOYMENTS, "--dry-run --json")
    assert shop.call("deploy", "staging", "--dry-run").text.count("activate") == 1

    deployed = shop.call("deploy", "staging")
    assert deployed.code == 0, deployed
    lines = deployed.text.splitlines()
    numbered = re.match(r"deployment (\d+) of rel-", lines[0])
    assert numbered
    assert any("web-1" in line and "finished" in line for line in lines)
    assert lines[-2].endswith("to staging: succeeded")
    assert serving(shop) == "one"

    again = shop.call("deploy", "staging")
    assert (again.code, again.text.startswith("already live: rel-")) == (0, True), again
    status = shop.call("status", "staging")
    assert "staging: rel-" in status.text and f"deployment {numbered[1]}" in status.text

    sha = shop.push("second")
    document = shop.json("deploy", "staging", "--release", sha[:12])
    assert set(document) == {"deployment", "hosts", "resumed", "already_live", "differences"}
    same(document["deployment"], tables(_DEPLOYMENTS)["DEPLOYMENT"])
    assert (document["deployment"]["state"], serving(shop)) == ("succeeded", "second")

    back = shop.json("rollback", "staging")
    assert (back["deployment"]["kind"], back["deployment"]["state"]) == ("rollback", "succeeded")
    assert serving(shop) == "one"
    metrics = shop.json("metrics", "--environment", "staging")
    assert metrics["metrics"]["frequency"]["n"] >= 2


@pytest.mark.slow
def test_one_that_fails_goes_back(shop: ServedShop) -> None:
    shop.call("deploy", "staging", "--release", "main")
    before = serving(shop)
    broken = shop.contract.replace("activate = '", "activate = 'echo no room; exit 7; ")
    whole, shop.contract = shop.contract, broken
    try:
        shop.push("broken")
        answer = shop.call("deploy", "staging")
    finally:
        shop.contract = whole
    assert answer.code == 1, answer
    assert "activate: exit 7" in answer.text and "| no room" in answer.text
    assert serving(shop) == before
    shop.push("mended")


@pytest.mark.slow
def test_what_holds_it_is_said_and_it_waits_there(shop: ServedShop) -> None:
    held = shop.call("deploy", "production", "--json")
    assert held.code == 4, held
    error = held.document["error"]
    assert "held at the gate of production" in error["message"] and "approval" in error["message"]
    [request] = shop.server.api("GET", "/api/requests").json()["items"]
    assert request["id"] in error["hint"]

    with shop.start("deploy", "production", "--wait") as waiting:
        # It says what it waits for before anybody approves: else it would come too late for this request.
        assert waiting.stdout is not None
        said = b""
        while b"needs an approval" not in said:
            said += waiting.stdout.readline()
            assert waiting.poll() is None, said
        shop.approve(request["id"])
        output, complaint = waiting.communicate(timeout=60)
    assert waiting.returncode == 0, complaint
    assert b"to production: succeeded" in output
    stated = shop.call("deploy", "production", "--approved-by", "ana")
    assert stated.code == 2 and "not stated" in stated.complaint


@pytest.mark.slow
def test_the_gate_in_the_terminal(shop: ServedShop) -> None:
    shop.push("at the gate")
    assert shop.call("deploy", "production", "--release", "main").code == 4
    status = shop.call("status", "production").text
    assert ": waiting  production needs an approval from role:operator" in status
    [standing] = shop.json("request", "list")["requests"]
    assert [one["id"] for one in shop.json("request", "list", "--all")["requests"]] == [standing["id"]]
    operator = {"HEADWAY_TOKEN": shop.server.token(Scope.READ, Scope.DEPLOY, role="operator")}
    no = shop.call("request", "refuse", "production", "--comment", "not on a Friday", **operator)
    assert no.code == 0, no
    # It is not forgotten: why it was refused is told until something is asked for or deployed there.
    assert "said no: not on a Friday" in shop.call("status", "production").text
    whole = shop.json("request", "show", standing["id"][:-4])["request"]
    assert (whole["state"], [one["yes"] for one in whole["approvals"]]) == ("refused", [False])
    over = shop.call("request", "approve", standing["id"], **operator)
    assert over.code == 4 and "the request is refused" in over.complaint

    assert shop.call("deploy", "production", "--release", "main").code == 4
    assert shop.call("request", "withdraw", "production", "--comment", "later").code == 0
    assert shop.json("request", "list")["requests"] == []

    assert shop.call("deploy", "production", "--release", "main").code == 4
    assert shop.call("request", "approve", "production", "--comment", "looked", **operator).code == 0
    wait_until(lambda: serving(shop, "production") == "at the gate")
    assert shop.call("request", "approve", "nowhere", **operator).code == 2


@pytest.mark.slow
def test_ctrl_c_without_a_terminal_goes_back(shop: ServedShop) -> None:
    before = something_live(shop)
    slow = shop.contract.replace("activate = '", 'activate = \'touch "$HEADWAY_ROOT/begun"; sleep 5; ')
    whole, shop.contract = shop.contract, slow
    try:
        shop.push("slow")
        with shop.start("deploy", "staging") as process:
            wait_until((shop.host.folder / "home/apps/shop-staging/begun").exists)
            # The command hears of it a little later than the host: until then it stands at the gate.
            assert process.stdout is not None
            while not process.stdout.readline().startswith(b"deployment "):
                assert process.poll() is None
            process.send_signal(signal.SIGINT)
            output, complaint = process.communicate(timeout=60)
    finally:
        shop.contract = whole
    assert process.returncode == 1, (output, complaint)
    assert b"no terminal to ask at: going back" in output
    assert serving(shop) == before


def test_exec_on_the_hosts_that_the_server_reaches(shop: ServedShop) -> None:
    answer = shop.call("exec", "-H", "web-1", "--", "printf", "one\ntwo")
    assert answer.code == 0, answer
    assert answer.text.splitlines() == ["web-1 │ one", "web-1 │ two"]
    failed = shop.call("exec", "--json", "-H", "web-1", "--", "sh", "-c", "printf '\\377'; exit 3")
    assert failed.code == 1
    [host] = failed.document["hosts"]
    assert (host["exit_code"], host["output_base64"]) == (3, "/w==")
    same(host, tables(PAGE["headway exec"])["HOST"])
    assert shop.call("exec", "-H", "nothing", "--", "true").code == 2
    entries = shop.server.api("GET", "/api/audit?action=host.exec").json()["items"]
    assert entries[0]["after"]["hosts"] == ["web-1"]


@pytest.mark.slow
def test_tail_reads_the_services_own_log(shop: ServedShop) -> None:
    live = something_live(shop)
    answer = shop.call("tail", "staging")
    assert answer.code == 0, answer
    assert answer.text.splitlines() == [f"web-1 │ {live}"]
    document = shop.json("tail", "staging", "--grep", "no such line")
    assert document["hosts"][0]["lines"] == []
    with shop.start("tail", "staging", "--follow", "--json") as process:
        assert process.stdout is not None
        line = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    assert line["line"] == live


@pytest.mark.slow
def test_a_log_that_is_followed_goes_on_when_the_server_is_killed_and_comes_again(shop: ServedShop) -> None:
    live = something_live(shop)
    log = shop.host.home / "apps/shop-staging/serving"
    with shop.start("tail", "staging", "--follow", "--json") as process:
        assert process.stdout is not None
        lines = [json.loads(process.stdout.readline())["line"]]
        shop.server.kill()
        with log.open("a") as file:
            file.write("\nmeanwhile\n")
        shop.server.start()
        lines.append(json.loads(process.stdout.readline())["line"])
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    assert lines == [live, "meanwhile"]


def test_what_jenkins_deployed_is_recorded(shop: ServedShop) -> None:
    words = ("deployment", "record", "legacy", "--commit", "HEAD", "--by", "jenkins", "--key", "7")
    recorded = shop.json(*words)
    same(recorded["deployment"], tables(_DEPLOYMENTS)["DEPLOYMENT"])
    assert (recorded["is_new"], recorded["deployment"]["origin"]) == (True, "jenkins")
    assert "(recorded before)" in shop.call(*words).text
