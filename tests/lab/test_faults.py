# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines, disks, engines, licenses and clocks that fail, on a Debian 12 host and a Debian 13 host behind a jump host at once.

Whatever does: what runs goes on, the message names host, container, cause and way out, the next run ends where it would have ended, and no usage is lost.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import threading
import typing as t

import pytest

from tests.lab import aftermath, cloud, overlay, road, settings
from tests.lab.aftermath import fatal, images
from tests.lab.settings import Json
from tests.lab.shell import as_root, docker, inside, run, wait_for
from tests.simulator import images as simulated

TEXT, JUMP, SPEECH = (settings.host(name).container for name in ("text-1", "jump", "speech-1"))
ROOT, INCOMING = "/var/lib/azure-ai", "/home/deploy/.azure-ai/incoming"
MARKER, CLOCK = "/run/azlab-fault", "/opt/azlab-clock"
# Of each image one host lacks the greater part. Neither container is ever started.
MORE: list[Json] = [
    {"name": "more-stt", "service": "speech_to_text", "tag": "4.9.0-amd64-en-us", "port": 5941, "resource": "speech-dc0"},
    {"name": "more-sentiment", "service": "sentiment", "tag": "3.0-en", "port": 5942, "resource": "language-dc0"},
]
LACKED = {TEXT: "speech_to_text", SPEECH: "sentiment"}
ROWS = (("text-1", TEXT, "more-stt"), ("speech-1", SPEECH, "more-sentiment"))


def staged(*argv: str, log: str) -> str:
    """Stage on both hosts what both lack."""
    return road.playbook(road.CONTROL, "stage", "-e", json.dumps({"azure_ai_containers__more": MORE}), *argv, log=log)


def ends_where_it_would_have(log: str) -> str:
    """The next run after one that failed: what was lacked is there, nothing is left over, and what ran runs on."""
    before, output = started(), staged(log=f"faults-{log}-healed")
    for host in LACKED:
        assert local_name(host) in images(host)
        # Files of sets of models are blobs as well, under a second name.
        assert inside(host, "find", f"{ROOT}/store/blobs", INCOMING, "-type", "f", "-links", "1") == "", "nothing is left over"
        assert len(inside(host, "sh", "-c", f"ls -d {ROOT}/containers/more-*/releases/*/license/*").split()) == len(MORE)
        assert inside(host, "sh", "-c", f"ls {ROOT}/lock 2>/dev/null; true") == ""
    assert started() == before
    return output


def refused(name: str, *argv: str, **options: t.Any) -> str:
    """What a playbook says that fails; always in words."""
    with pytest.raises(road.Refused) as caught:
        road.playbook(road.CONTROL, name, *argv, **{"log": f"faults-{name}", **options})
    assert "Traceback" not in caught.value.output
    return caught.value.output


def broken(*argv: str, **options: t.Any) -> str:
    """What a stage says that fails."""
    return refused("stage", "-e", json.dumps({"azure_ai_containers__more": MORE}), *argv, **options)


def started() -> dict[str, str]:
    """When each container of the site was started."""
    return {each["Name"]: each["State"]["StartedAt"] for host in overlay.PUBLISHED for each in road.containers(host)}


def found(name: str) -> Json:
    """A container of text-1."""
    return next(each for each in road.containers("text-1") if each["Name"] == f"/{name}")


def holdings() -> Json:
    """What the site's store holds."""
    return json.loads(road.read(road.CONTROL, f"{road.HOME}/store/holdings.json"))


def record(host: str) -> Json:
    """The image that a host lacks."""
    tags = [each["tag"] for each in MORE if each["service"] == LACKED[host]]
    return next(each for each in holdings()["images"] if each["service"] == LACKED[host] and each["tag"] in tags)


def own_layer(host: str) -> str:
    """Hex digest of the layer that makes up most of what the host lacks."""
    return str(max(record(host)["layers"], key=lambda layer: layer["size"] if layer["size"] < 8_000_000 else 0)["digest"].partition(":")[2])


def local_name(host: str) -> str:
    """What the image that a host lacks is called there."""
    return f"azure-ai.invalid/{LACKED[host]}:{record(host)['manifest'][7:23]}"


def lie_in_wait(host: str, *argv: str) -> None:
    """Let harm be done inside a host as soon as its moment comes."""
    inside(host, "rm", "-f", MARKER)
    script = (settings.FILES / "fault.py").read_text()
    docker("exec", "--detach", host, "python3", "-c", script, MARKER, "120", *argv)


def happened(host: str) -> str:
    """The harm that was done."""
    return inside(host, "cat", MARKER)


def engine_is_back(host: str) -> None:
    """Wait for the engine that systemd started again, and for its containers."""
    wait_for("the engine answers", lambda: run(as_root(["docker", "exec", host, "docker", "ps"]), check=False, timeout=60).returncode == 0, 90, pause=0.5)


@pytest.fixture(scope="module", autouse=True)
def site(walked: dict[str, str]) -> t.Iterator[dict[str, str]]:
    """Both hosts as they are declared, with a small file system for what is sent to text-1."""
    inside(TEXT, "install", "-d", "-o", "deploy", "-g", "deploy", "-m", "0700", INCOMING.rpartition("/")[0], INCOMING)
    inside(TEXT, "mount", "-t", "tmpfs", "-o", "size=24m,mode=0700,uid=deploy,gid=deploy", "azlab", INCOMING)
    yield started()
    inside(TEXT, "umount", "--lazy", INCOMING)  # the rsync of a line that fell silent may linger there
    for host in LACKED:
        inside(host, "rm", "-rf", INCOMING)
    assert set(road.changes(road.rollout(log="faults-after")).values()) == {0}, "the lab is as it was"


@pytest.fixture
def lacking(site: dict[str, str]) -> t.Iterator[None]:
    """What both hosts lack; when it is over, they lack it again."""
    before = {host: images(host) for host in LACKED}
    yield
    for host in LACKED:
        inside(host, "rm", "-rf", *(f"{ROOT}/containers/{each['name']}" for each in MORE), MARKER)
        for name in set(images(host)) - set(before[host]):
            inside(host, "docker", "rmi", name)


@contextlib.contextmanager
def strange() -> t.Iterator[dict[str, str]]:
    """Clocks of the hosts a year off, one behind and one ahead; a disk too small; a license of another version in the store."""
    python = f'#!/bin/sh\nPYTHONPATH={CLOCK} AZLAB_CLOCK_DAYS=%d exec /usr/bin/python3 "$@"\n'
    for host, days in ((TEXT, -365), (SPEECH, 365)):
        for name, text in (("sitecustomize.py", (settings.FILES / "clock.py").read_text()), ("python3", python % days)):
            inside(host, "install", "-d", CLOCK)
            run(as_root(["docker", "exec", "-i", host, "install", "-m", "0755", "/dev/stdin", f"{CLOCK}/{name}"]), stdin=text.encode())
    inside(TEXT, "sh", "-c", "mkdir -p /srv/small && mount -t tmpfs -o size=2m azlab /srv/small")
    hosts: Json = {name: {"ansible_python_interpreter": f"{CLOCK}/python3"} for name in overlay.PUBLISHED}
    hosts["text-1"] |= {"azure_ai_root": "/srv/small", "azure_ai_containers__more": MORE[:1]}
    overlay.write(road.CONTROL, road.HOME, "../strange/hosts.yml", {"all": {"hosts": hosts}})
    original = json.dumps(holdings()).encode()
    value = holdings()
    release, *_others = (each for each in value["releases"] if each["service"] == "sentiment" and each["tag"] == "3.0-en")
    release["license"], *_others = (each["license"] for each in value["releases"] if each["service"] == "text_translation")
    _lay_holdings(json.dumps(value).encode())
    try:
        yield {"ANSIBLE_INVENTORY": ",".join(f"inventories/{layer}" for layer in (*overlay.LAYERS["site"], "strange"))}
    finally:
        _lay_holdings(original)
        inside(road.CONTROL, "rm", "-r", f"{road.HOME}/inventories/strange")
        inside(TEXT, "umount", "/srv/small")
        for host in (TEXT, SPEECH):
            inside(host, "rm", "-r", CLOCK)


def _lay_holdings(data: bytes) -> None:
    """Write the index of the site's store."""
    run(as_root(["docker", "exec", "-i", "--user", road.USER, road.CONTROL, "sh", "-c", f"cat > {road.HOME}/store/holdings.json"]), stdin=data)


def test_what_can_be_known_is_told_before_anything_is_sent(site: dict[str, str]) -> None:
    with aftermath.of("faults-strange"), strange() as told:
        output = refused("rollout", environment=told)
        text, speech = (fatal(output, name) for name in overlay.PUBLISHED)
        assert "when the store's content was fetched; set it right" in text
        assert "disk: " in text and "free for root" in text and "needed (twice what is sent); make room" in text
        assert "container sentiment: release " in text and "does not hold together" in text and "receive the bundle that brought it again" in text
        assert "the control node's" in speech and "set the wrong one right, licenses depend on it" in speech
        assert set(road.changes(output).values()) == {0} and started() == site
        assert inside(TEXT, "ls", "/srv/small") == ""


@pytest.fixture
def control_clock(site: dict[str, str]) -> t.Iterator[t.Callable[[int], dict[str, str]]]:
    """The environment in which the control node's clock is so many days off."""
    inside(road.CONTROL, "install", "-d", "-m", "0755", CLOCK)
    text = (settings.FILES / "clock.py").read_bytes()
    run(as_root(["docker", "exec", "-i", road.CONTROL, "install", "-m", "0644", "/dev/stdin", f"{CLOCK}/sitecustomize.py"]), stdin=text)
    yield lambda days: {"PYTHONPATH": CLOCK, "AZLAB_CLOCK_DAYS": str(days)}
    inside(road.CONTROL, "rm", "-r", CLOCK)


@pytest.mark.parametrize("days", [-365, 365])
def test_a_control_node_whose_clock_is_off(control_clock: t.Callable[[int], dict[str, str]], site: dict[str, str], days: int) -> None:
    """Ahead, it would take months for over that go on; behind, licenses for valid that have ended."""
    wrong, year = control_clock(days), str(datetime.datetime.now(datetime.timezone.utc).year + days // 365)
    with aftermath.of(f"faults-control{days}"):
        output = refused("rollout", environment=wrong)
        for name in overlay.PUBLISHED:
            told = fatal(output, name)
            assert f"{name}: clock: " in told and f"the control node's {'is ' if days < 0 else ''}{year}-" in told and "; set " in told
        assert set(road.changes(output).values()) == {0} and started() == site
        told = refused("harvest", environment=wrong)
        assert f"clock of this machine: says {year}-" in told and "and all 2 hosts that answered say about" in told
        assert "set it and harvest again; nothing is lost" in told
        if days < 0:
            road.harvest(log="faults-control-harvest")
            road.report("-e", "report_dest=/tmp/azlab-report", environment=wrong, log="faults-control-report")
            findings = json.loads(road.read(road.CONTROL, "/tmp/azlab-report/report.json"))["findings"]
            assert [(each["level"], each["text"][:26]) for each in findings if each["kind"] == "own_clock"] == [("bad", "this machine's clock says ")]
            inside(road.CONTROL, "rm", "-r", "/tmp/azlab-report")


def test_a_line_that_drops_while_blobs_are_sent(lacking: None, site: dict[str, str]) -> None:
    """One host falls silent, of the other the session at the jump host is killed; both in the middle of a file."""
    dead = {"ANSIBLE_SSH_ARGS": "-o ControlMaster=auto -o ControlPersist=60s -o ServerAliveInterval=2"}
    outputs: list[str] = []
    with aftermath.of("faults-dropped", staged):
        thread = threading.Thread(target=lambda: outputs.append(broken("-e", "azure_ai_bandwidth=60", environment=dead, log="faults-dropped")))
        thread.start()
        try:
            for host, harm in ((SPEECH, lambda: inside(JUMP, "sh", "-c", "kill -9 $(pgrep -f '^sshd: hop')")), (TEXT, lambda: _silence("-I"))):
                wait_for("blobs are on their way", lambda host=host: _sending(host), 180)
                assert json.loads(inside(host, "cat", f"{ROOT}/lock"))["incoming"] == INCOMING, "what rsync writes is a sign of life"
                harm()
        finally:
            thread.join(400)
            _silence("-D")
        (output,) = outputs
        for name, _host, container in ROWS:
            told = fatal(output, name)
            assert f"{name}: sending to {INCOMING} for container {container} broke off: the connection broke" in told
            assert "see that ssh reaches the host and run it again, it goes on where it was" in told
        wait_for("rsync keeps what came", lambda: bool(inside(SPEECH, "find", f"{INCOMING}/.~tmp~", "-type", "f", "-size", "+0")), 20)
        assert started() == site and not inside(road.CONTROL, "find", "/tmp", "-name", "*.blobs")
        ends_where_it_would_have("dropped")


def _silence(verb: str) -> None:
    """Drop everything that comes for text-1's sshd, or no longer."""
    inside(TEXT, "iptables", verb, "INPUT", "-p", "tcp", "--dport", "22", "-j", "DROP", check=verb == "-I")


def _sending(host: str) -> bool:
    """Whether rsync writes a file on the host."""
    return bool(run(as_root(["docker", "exec", host, "find", INCOMING, "-type", "f", "-size", "+50k", "-newermt", "3 seconds ago"]), check=False).stdout)


def test_a_disk_that_fills_up_and_a_blob_that_is_damaged_on_its_way(lacking: None, site: dict[str, str]) -> None:
    with aftermath.of("faults-filled", staged):
        lie_in_wait(TEXT, "fill", INCOMING)
        lie_in_wait(SPEECH, "flip", f"{INCOMING}/{own_layer(SPEECH)}")
        output = broken("-e", "azure_ai_bandwidth=1200", log="faults-filled")
        assert (happened(TEXT), happened(SPEECH)) == ("fill", "flip")
        text, speech = (fatal(output, name) for name in overlay.PUBLISHED)
        assert f"text-1: sending to {INCOMING} for container more-stt broke off: no space is left there" in text and "make room and run it again" in text
        assert f"blob sha256:{own_layer(SPEECH)} of container more-sentiment: {INCOMING}/{own_layer(SPEECH)} was damaged on its way and is removed" in speech
        assert "run the stage again" in speech and started() == site
        inside(TEXT, "rm", f"{INCOMING}/filler")
        ends_where_it_would_have("filled")


@pytest.mark.parametrize(("full", "killed"), [(ROWS[0], ROWS[1]), (ROWS[1], ROWS[0])], ids=["full-12-killed-13", "full-13-killed-12"])
def test_an_engine_that_is_killed_or_has_no_room_while_it_loads(
    lacking: None, site: dict[str, str], full: tuple[str, str, str], killed: tuple[str, str, str]
) -> None:
    temporary = inside(full[1], "docker", "info", "--format", "{{.DockerRootDir}}") + "/tmp"
    with aftermath.of(f"faults-killed-{killed[0]}", staged):
        inside(full[1], "mount", "-t", "tmpfs", "-o", "size=1m", "azlab", temporary)
        lie_in_wait(killed[1], "kill-loading")
        output = broken(log="faults-killed")
        assert happened(killed[1]) == "kill-loading"
        no_room, broke_off = fatal(output, full[0]), fatal(output, killed[0])
        assert f"image {local_name(full[1])}" in no_room and "no space left on device; make room where the engine keeps its data" in no_room
        assert f"image {local_name(killed[1])}" in broke_off and "Docker Engine at /var/run/docker.sock: the connection broke" in broke_off
        assert all(f"of container {container}" in fatal(output, name) for name, _host, container in ROWS)
        inside(full[1], "umount", temporary)
        engine_is_back(killed[1])
        assert started() == site, "running containers outlive their engine"
        assert all(local_name(host) not in images(host) for host in LACKED), "nothing passes for the image"
        ends_where_it_would_have("killed")


def test_a_blob_damaged_on_the_host_is_sent_again_and_all_ends_where_it_would_have(lacking: None, site: dict[str, str]) -> None:
    with aftermath.of("faults-damaged", staged):
        blob = f"{ROOT}/store/blobs/sha256/{own_layer(TEXT)}"
        inside(TEXT, "mount", "-o", "remount,size=64m", INCOMING)  # all of the image goes through there a second time
        damaged = bytearray(road.read(road.CONTROL, f"{road.HOME}/store/blobs/sha256/{own_layer(TEXT)}"))
        damaged[len(damaged) // 2] ^= 1
        inside(TEXT, "install", "-d", "-m", "0755", blob.rpartition("/")[0])
        run(as_root(["docker", "exec", "-i", TEXT, "install", "-m", "0644", "/dev/stdin", blob]), stdin=bytes(damaged))
        output = ends_where_it_would_have("damaged")
        assert f"text-1: image {local_name(TEXT)}" in output and "were damaged in the host's store and are removed" in output
        assert own_layer(TEXT) in output and "all of it is sent again now" in output


def test_a_license_of_another_version_is_not_bundled(site: dict[str, str]) -> None:
    """A tag that stands for another image now, as after somebody pushed to it: the license at hand opens the former one."""
    moved, other = (each for each in simulated.IMAGES if each.service == "speech_to_text")
    cloud.retag(other, moved.tag)
    before = road.newest_bundle()
    with pytest.raises(road.Refused) as caught:
        road.bundle(log="faults-moved")
    cloud.push([moved])
    assert "Traceback" not in caught.value.output
    assert f"image speech_to_text:{moved.tag}: the tag has moved from sha256:" in caught.value.output
    assert "licenses made for the old image will not do for the new one" in caught.value.output and "bundle_accept_moved" in caught.value.output
    assert road.newest_bundle() == before


def test_a_license_of_another_version_is_put_right(site: dict[str, str]) -> None:
    folder = f"{ROOT}/containers/sentiment/current/license"
    right = inside(TEXT, "sh", "-c", f"sha256sum {folder}/*")
    with aftermath.of("faults-license"):
        inside(TEXT, "sh", "-c", f"cat {ROOT}/containers/translator/current/license/* > {folder}/license.dat")
        docker("exec", "--detach", TEXT, "docker", "restart", "--time", "2", "sentiment")
        wait_for("it starts again and again", lambda: int(inside(TEXT, "docker", "inspect", "-f", "{{.RestartCount}}", "sentiment")) > 0, 120, pause=0.5)
        healed = road.rollout("--limit", "text-1", log="faults-license")
        assert "container sentiment: " in healed and "staged anew (its last staging did not end, or its license was changed since)" in healed
        assert found("sentiment")["State"]["Running"] and found("translator")["State"]["StartedAt"] == site["/translator"]
        assert road.changes(healed)["text-1"] > 0 and inside(TEXT, "sh", "-c", f"sha256sum {folder}/*") == right
