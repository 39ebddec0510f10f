# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""On a Debian 13 host: a container that somebody ran with ``--rm``, which is gone as soon as it stops, is adopted; a front in which a client is revoked."""

from __future__ import annotations

import json
import subprocess
import typing as t
import urllib.parse
from decimal import Decimal
from pathlib import Path

import pytest

from tests.lab import aftermath, lan, outcome, road, settings
from tests.lab.settings import Json
from tests.lab.shell import as_root, docker, inside, run, wait_for

HOST = settings.host("speech-1").container
ADDRESS = settings.host("speech-1").address
JUMP = settings.host("jump").container  # the only other machine of that network; it plays the client
NAME, OLD, PORT, TLS = "stt-old", "old-stt", 5304, 8443
OUTPUT = "/srv/years/output"
FOLDER = f"/var/lib/azure-ai/containers/{NAME}"
CLIENTS = "/root/lan"
FRONT: Json = {
    "address": ADDRESS,
    "port": TLS,
    "containers": [NAME, "stt-en"],
    "certificate": "files/lan/server.crt",
    "key": "files/lan/server.key",
    "client_ca": "files/lan/ca.crt",
    "client_crl": "files/lan/clients.crl",
}
# Asks once, and again in the same TLS session when a line comes: status, then whether the session was taken up, and status.
ASK = """
import json, socket, ssl, sys
address, port, path, folder, name = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4], sys.argv[5]
context = ssl.create_default_context(cafile=folder + "/ca.crt")
if name:
    context.load_cert_chain(f"{folder}/{name}.crt", f"{folder}/{name}.key")
def ask(session):
    with context.wrap_socket(socket.create_connection((address, port), 30), server_hostname=address, session=session) as stream:
        stream.sendall(f"GET {path} HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n".encode())
        data = b""
        while True:
            part = stream.recv(65536)
            if not part:
                return stream.session, stream.session_reused, int(data.split()[1])
            data += part
session, _taken_up, status = ask(None)
print(status, flush=True)
if sys.stdin.readline():
    print(json.dumps(ask(session)[1:]), flush=True)
"""
READY = "import sys, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{sys.argv[1]}/ready', timeout=5)"


def declared(front: bool = False, ready_seconds: int = 300, **container: t.Any) -> tuple[str, str]:
    """Arguments that declare the container in the place of the one that ran by hand, and the front."""
    one = {"name": NAME, "service": "speech_to_text", "tag": "4.9.0-amd64-en-us", "port": PORT, "resource": "speech-dc0"}
    values = {"azure_ai_containers__old": [{**one, "adopt": {"output": OUTPUT, "container": OLD}, **container}], "containers_ready_seconds": ready_seconds}
    return "-e", json.dumps({**values, **({"azure_ai_front": FRONT} if front else {})})


def rollout(*argv: str, log: str = "adopt") -> str:
    """Roll out to speech-1 alone."""
    return road.rollout("--limit", "speech-1", *argv, log=log)


def of(name: str) -> Json | None:
    """A container on speech-1, whoever started it."""
    done = run(as_root(["docker", "exec", HOST, "docker", "inspect", name]), check=False)
    return json.loads(done.stdout)[0] if done.returncode == 0 else None


def traffic(requests: int) -> None:
    """Use the container as its host's own clients would."""
    inside(HOST, "python3", "-c", (settings.FILES / "traffic.py").read_text(), str(requests), str(PORT))


def client(name: str, path: str = f"/{NAME}/ready") -> subprocess.Popen[str]:
    """Somebody on the LAN who asks now, and once more when told to."""
    command = as_root(["docker", "exec", "-i", JUMP, "python3", "-c", ASK, ADDRESS, str(TLS), path, CLIENTS, name])
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def ask(name: str, path: str = f"/{NAME}/ready") -> int:
    """The status that somebody on the LAN gets."""
    return int(client(name, path).communicate(timeout=60)[0])


@pytest.fixture(scope="module")
def authority(walked: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site's own authority, which has revoked nobody yet; a stranger's client beside it."""
    folder = tmp_path_factory.mktemp("authority")
    for name in ("ca", "other"):
        lan.authority(folder, name)
    for name, signer in (("server", "ca"), ("client", "ca"), ("leaver", "ca"), ("stranger", "other")):
        lan.issue(folder, name, ADDRESS, signer)
    lan.revoke(folder)
    lan.lay(road.CONTROL, f"{road.HOME}/files/lan", *(folder / name for name in ("server.crt", "server.key", "ca.crt", "clients.crl")))
    of_clients = [folder / f"{name}.{kind}" for name in ("client", "leaver", "stranger") for kind in ("crt", "key")]
    lan.lay(JUMP, CLIENTS, folder / "ca.crt", *of_clients, user="root")
    return folder


@pytest.fixture(scope="module")
def by_hand(authority: Path) -> t.Iterator[Json]:
    """The container that somebody ran with ``--rm``, used and never harvested."""
    (image,) = {each["Config"]["Image"] for each in road.containers("speech-1") if each["Name"] == "/stt-en"}
    license_folder = inside(HOST, "readlink", "-f", "/var/lib/azure-ai/containers/stt-en/current/license")
    inside(HOST, "install", "-d", "-o", "65532", "-g", "65532", OUTPUT)
    mounts = ("-v", f"{license_folder}:/license", "-v", f"{OUTPUT}:/output")
    words = ("Eula=accept", "Mounts:License=/license", "Mounts:Output=/output")
    docker("exec", HOST, "docker", "run", "-d", "--rm", "--name", OLD, "-p", f"127.0.0.1:{PORT}:5000", *mounts, image, *words)
    wait_for("the old container works", lambda: run(as_root(["docker", "exec", HOST, "python3", "-c", READY, str(PORT)]), check=False).returncode == 0, 60)
    traffic(7)
    found = of(OLD)
    assert found is not None and found["HostConfig"]["AutoRemove"]
    yield found
    for name in (OLD, NAME, f"{NAME}.adopted"):
        run(as_root(["docker", "exec", HOST, "docker", "rm", "-f", name]), check=False)


def read_first() -> Json:
    """The answer of the old container that was spooled before anything stopped."""
    names = inside(road.CONTROL, "ls", f"{road.HOME}/ledger/spool").split()
    (name,) = (each for each in names if f"-adopted-{NAME}" in urllib.parse.unquote(each))
    return t.cast(Json, json.loads(road.read(road.CONTROL, f"{road.HOME}/ledger/spool/{name}")))


def records() -> list[str]:
    """The lines of all record files."""
    return inside(HOST, "sh", "-c", f"cat {OUTPUT}/*/*/usage-*.jsonl").splitlines()


def test_one_that_is_gone_when_it_stops_is_read_before_and_runs_again_where_the_new_one_fails(by_hand: Json) -> None:
    before, begin = records(), inside(HOST, "date", "+%s.%N")
    with pytest.raises(road.Refused) as caught:
        rollout(*declared(ready_seconds=6, settings={"SIM_READY_AFTER": "9999"}), log="adopt-refused")
    told = aftermath.fatal(caught.value.output, "speech-1")
    assert f"speech-1: container {NAME}: wait until it is ready failed" in told and f"rolled back: {OLD} runs again as before; mend the cause" in told
    span = ("--since", begin, "--until", inside(HOST, "date", "+%s.%N"))
    seen = inside(HOST, "docker", "events", *span, "--filter", "type=container", "--format", "{{.Action}} {{.Actor.ID}} {{.Time}}").splitlines()
    moments = {(words[0], words[1]): int(words[2]) for words in map(str.split, seen) if len(words) == 3}
    assert ("destroy", by_hand["Id"]) in moments, "the engine itself removed it"
    (whole,) = (each for each in read_first()["answer"]["readings"] if each["scope"] == "all")
    counted = sum(Decimal(json.loads(line)["quantity"]) for line in before)
    assert [Decimal(meter["quantity"]) for meter in whole["meters"]] == [counted] and counted > 0, "all that it had counted"
    assert whole["observed_at"] <= inside(HOST, "date", "-u", "-d", f"@{moments['die', by_hand['Id']]}", "+%Y-%m-%dT%H:%M:%SZ")
    old = t.cast(Json, of(OLD))
    assert old["State"]["Running"] and old["Id"] != by_hand["Id"] and not old["HostConfig"]["AutoRemove"] and of(NAME) is None
    assert old["Config"]["Hostname"] == by_hand["Config"]["Hostname"] and old["HostConfig"]["Binds"] == by_hand["HostConfig"]["Binds"]
    assert records()[: len(before)] == before, "no record is gone"


def test_it_is_adopted_with_its_records(by_hand: Json) -> None:
    before = inside(HOST, "stat", "-c", "%d %i", OUTPUT)
    # What counts on a real engine is the first takeover; this one is of the copy, which stayed when it stopped.
    traffic(2)
    rollout(*declared(front=True), log="adopt-done")
    assert of(OLD) is None and of(f"{NAME}.adopted") is None and t.cast(Json, of(NAME))["State"]["Running"]
    source = json.loads(road.read(HOST, f"{FOLDER}/source.json"))
    assert f"{source['device']} {source['inode']}" == before == inside(HOST, "stat", "-L", "-c", "%d %i", f"{FOLDER}/output")
    assert set(road.changes(rollout(*declared(front=True))).values()) == {0}
    traffic(4)
    road.harvest("--limit", "speech-1,localhost", *declared(), log="adopt-harvest")
    road.report("--limit", "speech-1,localhost", *declared(), log="adopt-report")
    told, written = ({key: value for key, value in rows.items() if key[1] == NAME} for rows in (outcome.reported(outcome.report()), outcome.metered()))
    assert told == written and len(written) == 1, "what was used before, in between and after counts once"
    assert [each["kind"] for each in outcome.report()["findings"] if each["container"] == NAME] == []


def test_a_client_that_was_revoked_is_refused_and_the_others_pass(by_hand: Json, authority: Path) -> None:
    assert [ask(name) for name in ("client", "leaver", "stranger", "")] == [200, 200, 400, 400]
    assert ask("client", f"/{NAME}/records/usage-logs/") == 404
    process = inside(HOST, "systemctl", "show", "-P", "MainPID", "azure-ai-front")
    with client("leaver") as waiting:
        assert waiting.stdout is not None and waiting.stdout.readline() == "200\n"
        lan.revoke(authority, "leaver")
        lan.lay(road.CONTROL, f"{road.HOME}/files/lan", authority / "clients.crl")
        output = rollout(*declared(front=True), log="adopt-revoked")
        assert "front: serve stt-en, stt-old" in output and "its declaration or a file of it has changed" in output
        assert json.loads(waiting.communicate("again\n", timeout=60)[0]) == [False, 400], "nor does a session from before help"
    assert inside(HOST, "systemctl", "show", "-P", "MainPID", "azure-ai-front") == process, "reloaded, not restarted"
    assert [ask(name) for name in ("client", "leaver")] == [200, 400]
    assert set(road.changes(rollout(*declared(front=True))).values()) == {0}


def test_what_is_not_declared_any_more_goes(by_hand: Json) -> None:
    assert "front: stop it and remove it" in rollout(log="adopt-gone")
    assert inside(HOST, "sh", "-c", "ls -d /etc/azure-ai-front /etc/systemd/system/azure-ai-front.service 2>/dev/null || echo gone") == "gone"
    values = {"retire_containers": [NAME], "retire_confirm": "speech-1"}
    assert "archived and proved" in road.playbook(road.CONTROL, "retire", "--limit", "speech-1", "-e", json.dumps(values), log="adopt-retire")
    assert inside(HOST, "find", OUTPUT) == OUTPUT, "archived and removed, but for the folder itself"
