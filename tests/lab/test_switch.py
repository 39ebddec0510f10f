# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Switching while things go wrong: whatever does, what ran goes on or comes back, the message says what to do, and no usage is lost."""

from __future__ import annotations

import contextlib
import json
import re
import threading
import typing as t

import pytest

from tests.lab import aftermath, cloud, overlay, road, settings
from tests.lab.aftermath import fatal
from tests.lab.overlay import SENTIMENT, TRANSLATOR
from tests.lab.settings import Json
from tests.lab.shell import docker, inside, run, wait_for
from tests.simulator import images

HOST, SPEECH = (settings.host(name).container for name in ("text-1", "speech-1"))
FOLDER = "/var/lib/azure-ai/containers/sentiment"
OTHER_TAG, THIRD_TAG = "3.0-fr", "3.0-de"
NEVER = {"SIM_READY_AFTER": "9999"}
STT: Json = {"name": "stt-en", "service": "speech_to_text", "tag": "4.9.0-amd64-en-us", "port": 5001, "resource": "speech-dc0"}


def declared(more: Json | None = None, **sentiment: t.Any) -> tuple[str, str]:
    """Arguments that declare the sentiment container in another way, and more variables."""
    return "-e", json.dumps({"azure_ai_containers__text": [TRANSLATOR, {**SENTIMENT, **sentiment}], **(more or {})})


def rollout(*argv: str, log: str = "switch") -> str:
    """Roll out to text-1 alone."""
    return road.rollout("--limit", "text-1", *argv, log=log)


def refused(name: str, *argv: str, **options: t.Any) -> str:
    """What a playbook says that fails; always in words."""
    with pytest.raises(road.Refused) as caught:
        road.playbook(road.CONTROL, name, *argv, log=f"switch-refused-{name}", **options)
    assert "Traceback" not in caught.value.output
    return caught.value.output


def found(name: str = "sentiment", host: str = "text-1") -> Json:
    """A container."""
    return next(each for each in road.containers(host) if each["Name"] == f"/{name}")


EACH = pytest.mark.parametrize(("name", "container"), [("text-1", "sentiment"), ("speech-1", "stt-en")])


def changed(name: str, **more: t.Any) -> t.ContextManager[dict[str, str]]:
    """An inventory that declares the container of this host in another way."""
    return both(*({} if name == "text-1" else more, more if name == "text-1" else {}))


@contextlib.contextmanager
def both(speech: Json, sentiment: Json) -> t.Iterator[dict[str, str]]:
    """An inventory that declares a container of each host in another way: Debian 12, and Debian 13 behind a jump host, side by side."""
    hosts = {
        "text-1": {"azure_ai_containers__text": [TRANSLATOR, {**SENTIMENT, **sentiment}]},
        "speech-1": {"azure_ai_containers__speech": [{**STT, **speech}]},
    }
    overlay.write(road.CONTROL, road.HOME, "../both/hosts.yml", {"all": {"hosts": hosts}})
    try:
        yield {"ANSIBLE_INVENTORY": ",".join(f"inventories/{layer}" for layer in (*overlay.LAYERS["site"], "both"))}
    finally:
        inside(road.CONTROL, "rm", "-r", f"{road.HOME}/inventories/both")


def begun(output: str) -> set[str]:
    """Hosts that a run did anything on."""
    return set(output.rpartition("PLAY RECAP")[2].split()) & {"text-1", "speech-1"}


def started() -> dict[str, str]:
    """When each container was started that no test here means to touch."""
    return {each["Name"]: each["State"]["StartedAt"] for host in ("text-1", "speech-1") for each in road.containers(host) if each["Name"] != "/sentiment"}


def release() -> str:
    """The current release of the sentiment container."""
    return inside(HOST, "readlink", f"{FOLDER}/current").rpartition("/")[2]


def locked(host: str = HOST) -> bool:
    """Whether some run holds the host."""
    return run(["docker", "exec", host, "test", "-e", "/var/lib/azure-ai/lock"], check=False).returncode == 0


class Aside:
    """A rollout that runs while something happens to it."""

    def __init__(self, *argv: str, roll: t.Callable[..., str] = rollout, **options: t.Any) -> None:
        self.output, self.failed = "", False
        self._argv, self._roll, self._options = argv, roll, options
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def __enter__(self) -> Aside:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.end()

    def _run(self) -> None:
        try:
            self.output = self._roll(*self._argv, log="switch-aside", **self._options)
        except road.Refused as exc:
            self.output, self.failed = exc.output, True

    def end(self) -> str:
        """Wait for its end; return what it printed."""
        self._thread.join(600)
        return self.output


@pytest.fixture(scope="module")
def ready(walked: dict[str, str]) -> str:
    """A second and a third tag of the sentiment service at the site; the release that ran when they came."""
    cloud.push([images.wanted({**SENTIMENT, "tag": tag, "options": {}}) for tag in (OTHER_TAG, THIRD_TAG)])
    third = {"azure_ai_containers__third": [{**SENTIMENT, "name": "third", "tag": THIRD_TAG, "port": 5093}]}
    road.bundle(*declared(third, tag=OTHER_TAG), log="switch-bundle")
    road.carry()
    road.receive(log="switch-receive")
    road.rollout(log="switch-before")
    return release()


def test_an_image_that_never_works_is_rolled_back_and_others_are_not_touched(ready: str) -> None:
    translator, image, speech = started()["/translator"], found()["Config"]["Image"], found("stt-en", "speech-1")["Config"]["Image"]
    with aftermath.of("switch-never"):
        with both({"settings": NEVER}, {"tag": OTHER_TAG, "settings": NEVER}) as never:
            output = refused("rollout", "-e", "containers_ready_seconds=20", environment=never)
            plan = road.rollout("--check", environment=never, log="switch")
        for name, container in (("text-1", "sentiment"), ("speech-1", "stt-en")):
            line = next(line for line in output.splitlines() if line.startswith(f"fatal: [{name}]") and "rolled back: " in line)
            assert f"{name}: container {container}: wait until it is ready failed" in line and "log ends with" in line
            assert "proved itself again; mend the cause and run the rollout again" in line
        assert f"-> {ready}" in output
        assert (release(), found()["Config"]["Image"], found()["State"]["Running"]) == (ready, image, True)
        again = found("stt-en", "speech-1")
        assert (again["Config"]["Image"], again["State"]["Running"]) == (speech, True)
        assert started()["/translator"] == translator
        assert not locked(), "a host that failed is given back as well"
        assert plan.count("it failed on") >= 2 and "and was rolled back" in plan


@pytest.fixture
def ended(ready: str) -> t.Iterator[None]:
    """The license of what runs ended long ago, as far as the site knows."""
    path = f"{road.HOME}/store/holdings.json"
    original = road.read(road.CONTROL, path)
    value = json.loads(original)
    for each in value["releases"]:
        if (each["service"], each["tag"]) == ("sentiment", SENTIMENT["tag"]):
            each["expires"] = "2020-01-31"
    lay = ["docker", "exec", "-i", "--user", road.USER, road.CONTROL, "sh", "-c", f"cat > {path}"]
    run(lay, stdin=json.dumps(value).encode())
    yield
    run(lay, stdin=original)


def test_verify_asks_whoever_runs_and_an_ended_license_is_started_only_when_asked(ready: str, ended: None) -> None:
    running = road.playbook(road.CONTROL, "verify", "--limit", "text-1")
    assert "ended on 2020-01-31" in running, "it runs, so this is a warning"
    docker("exec", HOST, "docker", "rm", "--force", "sentiment")
    order = json.dumps({"azure_ai_containers__text": [SENTIMENT, TRANSLATOR]})
    output = refused("verify", "--limit", "text-1", "-e", order)
    line = next(line for line in output.splitlines() if line.startswith("fatal: [text-1]") and "No such container" in line)
    assert "text-1: container sentiment: wait until it is ready failed (http://127.0.0.1:5003/" in line and "not ready after 0 s" in line
    assert "its log cannot be read: " in line and "mend the cause and run the rollout again" in line
    assert "TASK [airgap.azure_ai.containers : answer | Send its smoke request]" in output, "the one behind it was asked"
    problem = "container sentiment: its license ended on 2020-01-31; bundle a new one, or start it all the same with azure_ai_allow_expired=true"
    assert output.index("No such container") < output.index(problem), "what the next rollout would stumble over comes after the answers"
    assert problem in refused("rollout", "--limit", "text-1")
    assert "/sentiment" not in {each["Name"] for each in road.containers("text-1")}
    allowed = rollout("-e", "azure_ai_allow_expired=true")
    assert road.changes(allowed)["text-1"] > 0 and "ended on 2020-01-31" in allowed
    assert release() == ready and found()["State"]["Running"]


def test_back_by_hand_and_no_rollout_undoes_it_in_silence(ready: str) -> None:
    forward = declared(tag=OTHER_TAG)
    with aftermath.of("switch-back"):
        rollout(*forward)
        new = release()
        assert new != ready
        check = road.playbook(road.CONTROL, "rollback", "--check", "--limit", "text-1", "-e", "rollback_containers=sentiment")
        assert f"{new} -> {ready}" in check and release() == new
        road.traffic(2)
        road.playbook(road.CONTROL, "rollback", "--limit", "text-1", "-e", "rollback_containers=sentiment", log="switch-rollback")
        assert release() == ready and found()["State"]["Running"]
        again = road.playbook(road.CONTROL, "rollback", "--limit", "text-1", "-e", "rollback_containers=sentiment")
        assert road.changes(again) == {"text-1": 0} and "was rolled back" in again
        pinned = rollout(*forward)
        assert road.changes(pinned) == {"text-1": 0} and f"stays at {ready}" in pinned and "azure_ai_unpin" in pinned
        rollout("-e", "azure_ai_unpin=true", *forward)
        assert release() == new
        assert road.changes(rollout())["text-1"] > 0
        assert release() == ready


def kept() -> set[str]:
    """Releases of the sentiment container on the host."""
    return set(inside(HOST, "ls", f"{FOLDER}/releases").split())


def test_what_two_switches_left_behind_goes_and_nothing_else_does(ready: str) -> None:
    """A set that no release names stands for what a run left which was cut off before it removed anything."""
    third, left = declared(tag=THIRD_TAG), f"/var/lib/azure-ai/models/{'5' * 64}"
    with aftermath.of("switch-former"):
        docker("exec", HOST, "sh", "-c", "tar --create --files-from /dev/null | docker import - plant.example/own:1")
        image = found()["Config"]["Image"]
        rollout(*declared(tag=OTHER_TAG))
        second = release()
        assert ready in kept(), "it is what a rollback would go back to"
        check = rollout("--check", *third)
        plan = road.read(road.CONTROL, f"{road.HOME}/plans/{road.SITE}.txt").decode()
        for told in (check, plan):
            assert re.search(rf"former: 1 former release with its license, 1 image \(.*\): removed when .*\(sentiment {ready}, {image}\)", told), told
            assert re.search(r"license of (sentiment|translator): \d+ days left \((ok|amber)\)", told)
        output = rollout(*third)
        assert re.search(r"text-1: 1 former release with its license, 1 image \(.*\) removed", output), output
        assert kept() == {second, release()} and image not in aftermath.images(HOST)
        assert "plant.example/own:1" in docker("exec", HOST, "docker", "images", "--format", "{{.Repository}}:{{.Tag}}").split()
        before = found()["State"]["StartedAt"]
        inside(HOST, "sh", "-c", f"mkdir -p {left} && echo model > {left}/model")
        output = rollout(*third)
        assert "nothing needs it, removed" in output and "text-1: 1 set of models or files removed" in output
        assert road.changes(output)["text-1"] > 0 and inside(HOST, "sh", "-c", f"ls {left} 2>/dev/null || echo gone") == "gone"
        assert road.changes(rollout(*third)) == {"text-1": 0} and found()["State"]["StartedAt"] == before
        docker("exec", HOST, "docker", "rmi", "plant.example/own:1")
        rollout()
        assert release() == ready


def on_its_way(setting: str, name: str = "text-1", container: str = "sentiment") -> bool:
    """Whether a rollout holds the host and has started the container with this setting."""
    words = [entry for each in road.containers(name) if each["Name"] == f"/{container}" for entry in each["Config"]["Env"]]
    return locked(settings.host(name).container) and setting in words


def test_of_two_rollouts_at_once_one_is_refused_by_name(ready: str) -> None:
    with aftermath.of("switch-two"):
        with Aside(*declared(settings={"SIM_READY_AFTER": "25"})) as first:
            wait_for("the first rollout holds the host", lambda: on_its_way("SIM_READY_AFTER=25"), 90, pause=0.5)
            output = refused("rollout", "--limit", "text-1", *declared(settings={"SIM_NOTE": "2"}))
            told = fatal(output, "text-1")
            assert "held by ops from" in told and " since " in told and "azure_ai_break_lock" in told
            looked = rollout("--check", *declared(settings={"SIM_NOTE": "2"}))
            assert "held by ops from" in looked, "who only looks is told and not stopped"
        assert not first.failed and not locked()
        rollout()


@EACH
def test_a_host_that_restarts_in_the_middle_is_finished_by_the_next_run(ready: str, name: str, container: str) -> None:
    host = settings.host(name).container
    with aftermath.of(f"switch-restart-{name}"):
        # The other host takes part: it goes on, and in the end the run tells who was lost.
        with changed(name, settings={"SIM_READY_AFTER": "40"}) as slow, Aside(roll=road.rollout, environment=slow) as broken:
            wait_for("the container is on its way", lambda: on_its_way("SIM_READY_AFTER=40", name, container), 90, pause=1)
            docker("stop", "--time", "10", host, timeout=120)
            # Up again only when the run has given up: a host that is back sooner is rolled back by the run itself.
            output = broken.end()
            docker("start", host, timeout=120)
        assert broken.failed and "UNREACHABLE" in fatal(output, name)
        assert f"{name} failed or went out of reach; mend the cause and run it again, hosts that are done have nothing to do then" in output
        wait_for("its engine answers", lambda: run(["docker", "exec", host, "docker", "ps"], check=False).returncode == 0, 120, pause=1)
        wait_for("sshd answers", lambda: bool(inside(host, "ss", "-Hltn", "sport = :22")), 60, pause=1)
        healed = road.rollout("--limit", name, log="switch")
        assert road.changes(healed)[name] > 0 and not locked(host), "the lock of the run that died is taken over"
        assert all(each["State"]["Running"] for each in road.containers(name))


@pytest.fixture
def gone(ready: str) -> t.Iterator[dict[str, str]]:
    """An inventory with a host in front that nobody reaches."""
    hosts = {"azure_ai_hosts": {"hosts": {"gone-1": {"ansible_host": "10.78.1.99", "ansible_ssh_common_args": "-o ConnectTimeout=3"}}}}
    folder = f"{road.HOME}/inventories/gone"
    inside(road.CONTROL, "install", "-d", "-o", road.USER, "-m", "0750", folder)
    run(["docker", "exec", "-i", "--user", road.USER, road.CONTROL, "sh", "-c", f"cat > {folder}/hosts.yml"], stdin=json.dumps(hosts).encode())
    yield {"ANSIBLE_INVENTORY": "inventories/gone,inventories/headquarters,inventories/site,inventories/lab"}
    inside(road.CONTROL, "rm", "-r", folder)


def test_the_gate_stops_and_lets_on_as_it_is_told(gone: dict[str, str]) -> None:
    with aftermath.of("switch-gate"):
        output = refused("rollout", "-e", "rollout_batch=2", environment=gone)
        assert "the rollout stops here: gone-1 failed or went out of reach" in output and "not begun: speech-1" in output
        assert road.changes(output).get("text-1") == 0 and "speech-1 " not in output.rpartition("PLAY RECAP")[2]
        output = refused("rollout", "-e", "rollout_batch=2", "-e", "rollout_max_failed=1", environment=gone)
        assert "gone-1 failed or went out of reach; mend the cause and run it again" in output
        assert "the rollout stops here" not in output and {"text-1", "speech-1"} <= set(road.changes(output))


def test_a_taken_port_is_told_before_anything_stops(ready: str) -> None:
    before = started(), found()["State"]["StartedAt"]
    with aftermath.of("switch-port"):
        program = "import socket,time; s=socket.create_server(('0.0.0.0', 5903)); time.sleep(60)"
        for host in (HOST, SPEECH):
            docker("exec", "--detach", host, "python3", "-c", program)
            wait_for("the port is taken", lambda host=host: bool(inside(host, "ss", "-Hltn", "sport = :5903")), 10)
        with both({"port": 5903}, {"port": 5903}) as taken:
            output = refused("rollout", environment=taken)
        for name, container in (("text-1", "sentiment"), ("speech-1", "stt-en")):
            told = fatal(output, name)
            assert f"{name}: container {container}: port 5903 is taken by another program; give it another port or stop that" in told
        assert (started(), found()["State"]["StartedAt"]) == before


def test_ports_change_hands_in_one_run(walked: dict[str, str]) -> None:
    """Both swap, which no order serves; then the one moves away and the other takes what it leaves, which the order of the declaration does not."""
    with aftermath.of("switch-hands"):
        for translator, sentiment in ((SENTIMENT["port"], TRANSLATOR["port"]), (TRANSLATOR["port"], 5904)):
            both_of_them = [{**TRANSLATOR, "port": translator}, {**SENTIMENT, "port": sentiment}]
            rollout("-e", json.dumps({"azure_ai_containers__text": both_of_them}), log="switch-hands")
            for name, port in ((TRANSLATOR["name"], translator), ("sentiment", sentiment)):
                ports = found(name)["HostConfig"]["PortBindings"].values()
                assert [each["HostPort"] for bound in ports for each in bound] == [str(port)] and found(name)["State"]["Running"]
        rollout()


@EACH
def test_a_foreign_output_folder_is_handed_back_and_a_read_only_one_fails_in_words(ready: str, name: str, container: str) -> None:
    host, output = settings.host(name).container, f"/var/lib/azure-ai/containers/{container}/output"
    with aftermath.of(f"switch-output-{name}"):
        inside(host, "chown", "-R", "root:root", output)
        with changed(name, settings={"SIM_NOTE": "foreign"}) as foreign:
            road.rollout("--limit", name, environment=foreign, log="switch")
        owners = inside(host, "sh", "-c", f"stat -c %u {output} {output}/*").split()
        assert set(owners) == {"65532"} and len(owners) > 1
        inside(host, "sh", "-c", f"mount --bind {output} {output} && mount -o remount,bind,ro {output}")
        try:
            with changed(name, settings={"SIM_NOTE": "read-only"}) as fixed:
                printed = refused("rollout", "-e", "rollout_batch=1", "-e", "containers_ready_seconds=6", environment=fixed)
        finally:
            docker("exec", host, "docker", "stop", container)
            inside(host, "umount", output)
        told = fatal(printed, name)
        assert f"{name}: container {container}: " in told and "is not writable" in told and "run it again" in told
        assert begun(printed) == ({"text-1"} if name == "text-1" else {"text-1", "speech-1"}), "the next batch waits"
        assert road.changes(road.rollout("--limit", name, log="switch"))[name] > 0
