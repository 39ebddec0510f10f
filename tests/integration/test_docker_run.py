# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The docker run line, typed into a shell of this machine: the same container as docker_container makes, and it works the same.

Uses the machine's engine, or starts one and stops it again; images, containers and networks that it made are removed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import os
import subprocess
import sys
import tempfile
import time
import typing as t
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.names import local_image
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.release import Release
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import registry
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import deployed, releases, render
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.spec import smoke, spec
from ansible_collections.airgap.azure_ai.plugins.modules import image_load
from ansible_collections.airgap.azure_ai.plugins.plugin_utils import _catalog
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._run.imitations import declaration, sha
from tests.integration import samples
from tests.lab import cloud, machine, shell
from tests.simulator import images

sys.path.insert(0, str(Path(images.__file__).parent))
import sim_license

SERVICE = "sentiment"
NAME = f"azure-ai-test-{os.getpid()}"
PORT = 59371
# What an engine makes up anew for each container, and where it keeps it.
FRESH = {"Id", "Created", "Path", "Args", "State", "ResolvConfPath", "HostnamePath", "HostsPath", "LogPath", "GraphDriver", "NetworkSettings", "Platform"}


@dataclasses.dataclass
class Staged:
    """An image in the engine and a release on this machine, as the roles would lay it down."""

    root: str
    entry: dict[str, t.Any]
    release: Release
    image: str

    def spec(self, **changes: t.Any) -> dict[str, t.Any]:
        """The spec of the container, with other values in it where wanted."""
        wanted = declaration(NAME, PORT, service=SERVICE, tag=self.release.tag, cpus=0.5, memory=128 * 1024**2, network=None, links={})
        return {**spec(self.entry, wanted, self.release, self.root), **changes}


@pytest.fixture(scope="module")
def engine() -> t.Iterator[None]:
    ours = not machine.engine_answers()
    machine.install_packages()
    machine.start_engine()
    try:
        yield
    finally:
        if ours:
            assert machine.stop_engine()


@pytest.fixture(scope="module")
def staged(engine: None) -> t.Iterator[Staged]:
    built = cloud.build_images()
    (image,) = (image for image in images.IMAGES if image.service == SERVICE)
    with tempfile.TemporaryDirectory(prefix="azure-ai-run-", dir="/var/tmp") as root:
        record = load(built / image.folder, image, root)
        dates = {"issued": "2026-01-01T00:00:00+00:00", "expires": "2099-01-01T00:00:00+00:00"}
        license_text = sim_license.seal({"service": SERVICE, "version": image.tag, "models": None, "resource": "lang-dc0", **dates}).encode()
        found = Release(f"{SERVICE}:{image.tag}", SERVICE, image.tag, "lang-dc0", {}, record["manifest"], sha(b"ciphertext"))
        user = ask_image_load(root, record)["user"]
        releases.stage(root, NAME, found.dump(), license_text, (user["uid"], user["gid"]))
        name = local_image(SERVICE, record["manifest"])
        try:
            yield Staged(root, _catalog.load()[SERVICE], found, name)
        finally:
            shell.docker("image", "rm", name)


@pytest.fixture
def network(engine: None) -> t.Iterator[str]:
    shell.docker("network", "create", NAME)
    yield NAME
    shell.docker("network", "rm", NAME)


def load(folder: Path, image: images.Image, root: str) -> dict[str, t.Any]:
    """Put an image of the simulator into a host's store; return its record."""
    blobs = Path(deployed.blob_folder(root))
    blobs.mkdir(parents=True)
    manifest = (folder / "manifest.json").read_bytes()
    config = (folder / json.loads(manifest)["config"]["digest"][7:]).read_bytes()
    (blobs / sha(manifest)[7:]).write_bytes(manifest)
    for path in folder.iterdir():
        if len(path.name) == 64:
            (blobs / path.name).write_bytes(path.read_bytes())
    return registry.image_record(image.service, image.repository, image.tag, manifest, config, "2026-01-31T12:00:00Z")


def ask_image_load(root: str, record: dict[str, t.Any]) -> dict[str, t.Any]:
    """What the module image_load answers."""
    said = io.StringIO()
    options = {"root": root, "image": record, "name": local_image(SERVICE, record["manifest"])}
    with patch_module_args(options), contextlib.suppress(SystemExit), contextlib.redirect_stdout(said):
        image_load.main()
    result: dict[str, t.Any] = json.loads(said.getvalue())
    assert not result.get("failed"), result
    return result


@contextlib.contextmanager
def by_docker_container(value: dict[str, t.Any], state: str) -> t.Iterator[dict[str, t.Any]]:
    """The container that community.docker.docker_container makes, as the engine inspects it."""
    arguments = {**render.docker_container(value), "state": state}
    command = ["ansible", "localhost", "-i", "localhost,", "-c", "local", "-m", "community.docker.docker_container", "-a", json.dumps(arguments)]
    done = subprocess.run([*command, "-e", f"ansible_python_interpreter={sys.executable}"], capture_output=True, text=True, check=False)
    with removed(value["name"]):
        assert done.returncode == 0, done.stdout + done.stderr
        yield inspect(value["name"])


@contextlib.contextmanager
def by_line(value: dict[str, t.Any], command: str = "docker run --detach") -> t.Iterator[dict[str, t.Any]]:
    """The container that a shell makes of the line, as the engine inspects it."""
    line = render.docker_run(value)
    assert line.startswith("docker run --detach ")
    done = subprocess.run(["sh", "-c", line.replace("docker run --detach", command, 1)], capture_output=True, text=True, check=False)
    with removed(value["name"]):
        assert done.returncode == 0, done.stderr
        yield inspect(value["name"])


@contextlib.contextmanager
def removed(name: str) -> t.Iterator[None]:
    try:
        yield
    finally:
        shell.run(shell.as_root(["docker", "rm", "-fv", name]), check=False)


def inspect(name: str) -> dict[str, t.Any]:
    (found,) = json.loads(shell.docker("inspect", name))
    return t.cast("dict[str, t.Any]", found)


def essence(found: dict[str, t.Any]) -> dict[str, t.Any]:
    """All that an engine knows of a container but what it makes up anew, with what has no order in order."""
    kept = {key: value for key, value in found.items() if key not in FRESH}
    config, host = dict(kept.pop("Config")), dict(kept.pop("HostConfig"))
    config["Env"] = sorted(config["Env"])
    host["Mounts"] = sorted(host["Mounts"] or [], key=lambda mount: mount["Target"])
    kept["Mounts"] = sorted(kept["Mounts"], key=lambda mount: mount["Destination"])
    # Whether somebody watches the output of a container that runs alone decides nothing.
    for watched in ("AttachStdout", "AttachStderr"):
        config.pop(watched)
    host.pop("ConsoleSize", None)
    networks = {name: sorted(set(network["Aliases"] or []) - {found["Id"][:12]}) for name, network in found["NetworkSettings"]["Networks"].items()}
    return t.cast("dict[str, t.Any]", filled({**kept, "Config": config, "HostConfig": host, "Networks": networks}))


def filled(value: t.Any) -> t.Any:
    """The value without what is empty: clients differ in how they say nothing."""
    if isinstance(value, dict):
        return {key: filled(item) for key, item in value.items() if item not in (None, "", [], {})}
    return [filled(item) for item in value] if isinstance(value, list) else value


def spoken(value: dict[str, t.Any], form: dict[str, t.Any]) -> tuple[t.Any, ...]:
    """What a user sees of a container: readiness, status, the answer to its smoke request, and where it keeps its records."""
    base = f"http://127.0.0.1:{PORT}"
    end = time.monotonic() + 60
    while ask(base + form["health"]["ready"])[0] != 200:
        assert time.monotonic() < end, shell.run(["docker", "logs", value["name"]]).stderr
        time.sleep(0.2)
    asked = smoke(form, declaration(NAME, PORT, service=SERVICE))
    answer = ask(base + asked["path"], json.dumps(asked["json"]).encode(), asked.get("headers", {}))
    assert answer[0] == asked["status"] and asked["expect"] in answer[1]
    output = next(mount["source"] for mount in value["mounts"] if not mount["read_only"])
    return ask(base + form["health"]["status"]), answer, sorted(os.listdir(os.path.join(output, os.listdir(output)[0])))


def ask(url: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> tuple[int, str]:
    """Status and text of an answer; status 0 where nobody answers."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(urllib.request.Request(url, body, headers or {}), timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def test_the_line_starts_the_same_container_and_it_works_the_same(staged: Staged) -> None:
    value = staged.spec()
    with by_docker_container(value, "started") as found:
        one, seen = essence(found), spoken(value, staged.entry)
    with by_line(value) as found:
        other, said = essence(found), spoken(value, staged.entry)
    assert other == one
    assert said == seen
    host, config = other["HostConfig"], other["Config"]
    assert (host["Memory"], host["NanoCpus"], host["RestartPolicy"]["Name"]) == (128 * 1024**2, 500_000_000, "unless-stopped")
    assert (host["CapDrop"], host["SecurityOpt"]) == (["ALL"], ["no-new-privileges:true"])
    assert (config["Hostname"], config["Labels"].items() >= value["labels"].items()) == (NAME, True)
    assert host["PortBindings"] == {"5000/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(PORT)}]}
    assert {(mount["Destination"], mount["RW"]) for mount in other["Mounts"]} == {("/license", False), ("/output", True)}


def test_nasty_texts_a_network_a_user_and_a_config_file(staged: Staged, network: str) -> None:
    folder = Path(staged.root) / "containers" / NAME / "config"
    folder.mkdir(exist_ok=True)
    (folder / '0, with "quotes"').write_text("text")
    config = {"source": str(folder / '0, with "quotes"'), "target": "/etc/nasty.conf", "text": "text"}
    plain = samples.nasty(staged.spec())
    mounts = [*plain["mounts"], {"source": config["source"], "target": config["target"], "read_only": True}]
    value = {**plain, "network": network, "user": "65532:65532", "config": [config], "mounts": mounts}
    with by_docker_container(value, "started") as found:
        one, seen = essence(found), spoken(value, staged.entry)
    with by_line(value) as found:
        other, said = essence(found), spoken(value, staged.entry)
    assert other == one and said == seen
    assert {f"{name}={text}" for name, text in value["env"].items()} <= set(other["Config"]["Env"])
    assert (other["Config"]["User"], list(found["NetworkSettings"]["Networks"]), other["HostConfig"]["NetworkMode"]) == ("65532:65532", [network], network)


def test_gpus_are_asked_for_alike(staged: Staged) -> None:
    value = staged.spec(gpus="all")
    with by_docker_container(value, "present") as found:
        one = essence(found)
    with by_line(value, "docker create") as found:
        other = essence(found)
    assert other == one
    (request,) = other["HostConfig"]["DeviceRequests"]
    assert (request["Count"], request["Capabilities"]) == (-1, [["gpu"]])
