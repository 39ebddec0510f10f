# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container that somebody ran by hand is adopted with its records, and served to the LAN over TLS to those who have a certificate."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from tests.lab import lan, outcome, road, settings
from tests.lab.settings import Json
from tests.lab.shell import docker, inside, run, wait_for

HOST = settings.host("text-1").container
ADDRESS = settings.host("text-1").address
NAME, OLD, PORT, TLS, OWN = "sent-old", "old-sentiment", 5303, 8443, 8444
OUTPUT = "/srv/years/output"
FOLDER = f"/var/lib/azure-ai/containers/{NAME}"
FILES = f"{road.HOME}/files/front"
FRONT: Json = {
    "address": ADDRESS,
    "port": TLS,
    "ports": {NAME: OWN},
    "containers": [NAME, "sentiment", "translator"],
    "certificate": "files/front/server.crt",
    "key": "files/front/server.key",
    "client_ca": "files/front/ca.crt",
}
ASK = """
import http.client, json, ssl, sys
address, port, path, certificate, body = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4], int(sys.argv[5])
context = ssl.create_default_context(cafile=sys.argv[6] + "/ca.crt")
if certificate:
    context.load_cert_chain(f"{sys.argv[6]}/{certificate}.crt", f"{sys.argv[6]}/{certificate}.key")
connection = http.client.HTTPSConnection(address, port, context=context, timeout=30)
connection.request("POST" if body else "GET", path, b" " * body if body else None)
answer = connection.getresponse()
print(json.dumps([answer.status, answer.read().decode(errors="replace")[:300], connection.sock and connection.sock.getpeercert()["serialNumber"]]))
"""
READY = "import sys, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{sys.argv[1]}/ready', timeout=5)"
PLAIN = """
import socket, sys
connection = socket.create_connection((sys.argv[1], int(sys.argv[2])), 10)
connection.sendall(b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
print(connection.recv(200).decode())
"""


def declared(front: bool = False, more: Json | None = None, **container: t.Any) -> tuple[str, str]:
    """Arguments that declare the container in the place of the one that ran by hand, and the front."""
    one = {"name": NAME, "service": "sentiment", "tag": "3.0-en", "port": PORT, "resource": "language-dc0", "adopt": {"output": OUTPUT, "container": OLD}}
    values = {"azure_ai_containers__old": [{**one, **container}], **({"azure_ai_front": FRONT} if front else {}), **(more or {})}
    return "-e", json.dumps(values)


def rollout(*argv: str, log: str = "front") -> str:
    """Roll out to text-1 alone."""
    return road.rollout("--limit", "text-1", *argv, log=log)


def refused(*argv: str) -> str:
    """What a rollout says that fails; always in words."""
    with pytest.raises(road.Refused) as caught:
        rollout(*argv, log="front-refused")
    assert "Traceback" not in caught.value.output
    return caught.value.output


def of(name: str) -> Json | None:
    """A container on text-1, whoever started it."""
    done = run(["docker", "exec", HOST, "docker", "inspect", name], check=False)
    return json.loads(done.stdout)[0] if done.returncode == 0 else None


def ask(path: str, certificate: str = "client", port: int = TLS, body: int = 0) -> list[t.Any]:
    """[status, body, serial number of the server] as somebody on the LAN sees it, who is the control node here."""
    words = [ADDRESS, str(port), path, certificate, str(body), FILES]
    return t.cast("list[t.Any]", json.loads(inside(road.CONTROL, "python3", "-c", ASK, *words)))


def issue(folder: Path, name: str, signer: str = "ca") -> None:
    """A key and a certificate for it, put into the control folder."""
    lan.issue(folder, name, ADDRESS, signer)
    lan.lay(road.CONTROL, FILES, folder / f"{name}.crt", folder / f"{name}.key")


@pytest.fixture(scope="module")
def authority(walked: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site's own authority, with certificates of server and client; a stranger's client beside it."""
    folder = tmp_path_factory.mktemp("authority")
    for name in ("ca", "other"):
        lan.authority(folder, name)
    lan.lay(road.CONTROL, FILES, folder / "ca.crt")
    issue(folder, "server")
    issue(folder, "client")
    issue(folder, "stranger", "other")
    return folder


@pytest.fixture(scope="module")
def by_hand(walked: dict[str, str], authority: Path) -> t.Iterator[str]:
    """When the container was started that somebody ran as the vendor's pages say, used and never harvested."""
    (image,) = {each["Config"]["Image"] for each in road.containers("text-1") if each["Name"] == "/sentiment"}
    license_folder = inside(HOST, "readlink", "-f", "/var/lib/azure-ai/containers/sentiment/current/license")
    inside(HOST, "install", "-d", "-o", "65532", "-g", "65532", OUTPUT)
    mounts = ("-v", f"{license_folder}:/license", "-v", f"{OUTPUT}:/output")
    words = ("Eula=accept", "Mounts:License=/license", "Mounts:Output=/output")
    docker("exec", HOST, "docker", "run", "-d", "--restart", "always", "--name", OLD, "-p", f"127.0.0.1:{PORT}:5000", *mounts, image, *words)
    wait_for("the old container works", lambda: run(["docker", "exec", HOST, "python3", "-c", READY, str(PORT)], check=False).returncode == 0, 60)
    traffic(7)
    yield t.cast(Json, of(OLD))["State"]["StartedAt"]
    run(["docker", "exec", HOST, "docker", "rm", "-f", OLD], check=False)


def traffic(requests: int) -> None:
    """Use the container as its host's own clients would."""
    inside(HOST, "python3", "-c", (settings.FILES / "traffic.py").read_text(), str(requests), str(PORT))


def test_what_cannot_be_adopted_is_told_before_anything_stops(by_hand: str) -> None:
    output = refused(*declared(True, {"azure_ai_front": {**FRONT, "port": 22}}, adopt={"output": "/srv/elsewhere", "container": OLD}))
    assert f"container {NAME}: adopt.output /srv/elsewhere is not on this host" in output
    assert f"{OLD}, which it adopts, does not write into /srv/elsewhere (its folders: " in output
    assert "front: port 22 is taken by another program" in output
    assert t.cast(Json, of(OLD))["State"]["StartedAt"] == by_hand and of(NAME) is None


def test_where_the_new_one_does_not_work_the_old_one_runs_again(by_hand: str) -> None:
    output = refused(*declared(more={"containers_ready_seconds": 6}, settings={"SIM_READY_AFTER": "9999"}))
    assert f"text-1: container {NAME}: wait until it is ready failed" in output and f"rolled back: {OLD} runs again as before" in output
    old = t.cast(Json, of(OLD))
    assert (old["State"]["Running"], old["HostConfig"]["RestartPolicy"]["Name"]) == (True, "always") and of(NAME) is None
    assert inside(HOST, "stat", "-c", "%F", OUTPUT) == "directory" and inside(HOST, "readlink", f"{FOLDER}/output") == OUTPUT
    traffic(2)


def test_a_container_run_by_hand_is_adopted_with_its_records(by_hand: str) -> None:
    before = inside(HOST, "stat", "-c", "%d %i", OUTPUT)
    plan = rollout("--check", *declared(True))
    assert f"takes over {OLD} and its output {OUTPUT}" in plan and f"front: serve {NAME}, sentiment, translator on {ADDRESS} port {TLS}, {OWN}" in plan
    assert t.cast(Json, of(OLD))["State"]["Running"] and inside(HOST, "sh", "-c", "command -v nginx || echo none") == "none", "checking changes nothing"
    rollout(*declared(True), log="front-adopt")
    assert of(OLD) is None and of(f"{NAME}.adopted") is None and t.cast(Json, of(NAME))["State"]["Running"]
    source = json.loads(road.read(HOST, f"{FOLDER}/source.json"))
    assert f"{source['device']} {source['inode']}" == before == inside(HOST, "stat", "-L", "-c", "%d %i", f"{FOLDER}/output")
    assert set(road.changes(rollout(*declared(True))).values()) == {0}
    traffic(4)
    road.harvest("--limit", "text-1,localhost", *declared(), log="front-harvest")
    road.report("--limit", "text-1,localhost", *declared(), log="front-report")
    told, written = ({key: value for key, value in rows.items() if key[1] == NAME} for rows in (outcome.reported(outcome.report()), outcome.metered()))
    assert told == written and len(written) == 1, "what was used before, in between and after counts once"
    assert [each["kind"] for each in outcome.report()["findings"] if each["container"] == NAME] == []


def test_the_front_lets_in_who_has_a_certificate(by_hand: str) -> None:
    status, _body, _serial = ask(f"/{NAME}/ready")
    assert status == 200 and ask("/ready", port=OWN)[0] == 200
    assert ask(f"/{NAME}/ready", certificate="")[0] == 400 and ask(f"/{NAME}/ready", certificate="stranger")[0] == 400
    assert [ask(path, port=port)[0] for path, port in ((f"/{NAME}/records/usage-logs/", TLS), ("/Records/usage-logs/", OWN), ("/", TLS))] == [404] * 3
    assert ask(f"/{NAME}/text/analytics/v3.0/sentiment", body=90 * 1024 * 1024)[0] != 413
    plain = run(["docker", "exec", road.CONTROL, "python3", "-c", PLAIN, ADDRESS, str(TLS)], check=False).stdout.decode()
    assert plain.startswith("HTTP/1.1 400")
    assert inside(HOST, "ss", "-Hltn", f"sport = :{PORT}").split()[3] == f"127.0.0.1:{PORT}", "its own port stays on the loopback"
    assert inside(HOST, "ss", "-Hltn", "sport = :80") == "", "Debian's own page is not served"
    assert inside(HOST, "sh", "-c", "stat -c '%a %U' /etc/azure-ai-front/*/key.pem /etc/azure-ai-front/*").split()[:2] == ["600", "root"]


def test_another_certificate_is_taken_without_a_restart(by_hand: str, authority: Path) -> None:
    served, process = ask(f"/{NAME}/ready")[2], inside(HOST, "systemctl", "show", "-P", "MainPID", "azure-ai-front")
    issue(authority, "server")
    output = rollout("--diff", "-vvv", *declared(True), log="front-renewed")
    assert "its declaration or a file of it has changed" in output and "PRIVATE KEY" not in output
    assert (authority / "server.key").read_text().splitlines()[1] not in output
    assert inside(HOST, "systemctl", "show", "-P", "MainPID", "azure-ai-front") == process
    assert ask(f"/{NAME}/ready")[2] != served
    assert len(inside(HOST, "sh", "-c", "ls -d /etc/azure-ai-front/*/").split()) == 1
    issue(authority, "server")
    lay_mismatch(authority)
    wrong = refused(*declared(True))
    assert "text-1: front: write its configuration failed" in wrong and "key values mismatch" in wrong
    assert ask(f"/{NAME}/ready")[0] == 200, "what it served it goes on serving"


def lay_mismatch(folder: Path) -> None:
    """The key of another certificate under the server's name."""
    (folder / "server.key").write_bytes((folder / "client.key").read_bytes())
    lan.lay(road.CONTROL, FILES, folder / "server.key")


def test_what_is_not_declared_any_more_goes_and_the_folder_stays(by_hand: str) -> None:
    output = rollout(log="front-gone")
    assert "front: stop it and remove it" in output and f"container {NAME}: not declared any more" in output
    assert inside(HOST, "sh", "-c", "ls -d /etc/azure-ai-front /etc/systemd/system/azure-ai-front.service 2>/dev/null || echo gone") == "gone"
    kept = sorted(inside(HOST, "find", OUTPUT, "-type", "f").split())
    values = {"retire_containers": [NAME], "retire_confirm": "text-1"}
    retired = road.playbook(road.CONTROL, "retire", "--limit", "text-1", "-e", json.dumps(values), log="front-retire")
    assert kept and "archived and proved" in retired
    assert inside(HOST, "find", OUTPUT) == OUTPUT, "archived and removed, but for the folder itself"
