# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The site's registry: filled from a store, read over TLS, not written to, and pulled from by engines of all kinds."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import ssl
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import jinja2
import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.names import local_image
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import holdings, registry
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import lan_registry
from tests.integration import programs
from tests.integration.engines import KINDS, Built, Private, build

ROLES = Path(__file__).parents[2] / "roles"
ROLE = ROLES / "registry"
MODULE = """
import contextlib, json, sys
from ansible.module_utils.testing import patch_module_args
from ansible_collections.airgap.azure_ai.plugins.modules import image_load
with patch_module_args(json.loads(sys.argv[1])), contextlib.suppress(SystemExit):
    image_load.main()
"""


class Site(t.NamedTuple):
    """A control folder whose registry runs."""

    home: Path
    name: str
    image: Built

    @property
    def authority(self) -> str:
        return (self.home / "registry/ca.crt").read_text()


def script(name: str, *argv: object) -> str:
    path = os.pathsep.join([str(programs.registry()), os.environ["PATH"]])
    done = subprocess.run(["sh", str(ROLE / "files" / name), *map(str, argv)], capture_output=True, text=True, check=False, env={**os.environ, "PATH": path})
    assert done.returncode == 0, done.stderr
    return done.stdout


def docker_type(built: Built) -> Built:
    """The same image with Docker's kind of manifest, as Microsoft's have."""
    manifest = next(json.loads(data) for digest, data in built.blobs.items() if digest == built.record["manifest"])
    manifest["mediaType"] = registry.DOCKER_MANIFEST
    manifest["config"]["mediaType"] = "application/vnd.docker.container.image.v1+json"
    for layer in manifest["layers"]:
        layer["mediaType"] = "application/vnd.docker.image.rootfs.diff.tar.gzip"
    data = json.dumps(manifest).encode()
    blobs = {digest: blob for digest, blob in built.blobs.items() if digest != built.record["manifest"]}
    record = registry.image_record("sentiment", built.record["repository"], "1.0", data, blobs[built.record["config"]], built.record["fetched"])
    return Built(record, {**blobs, record["manifest"]: data})


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def fill(home: Path, port: int) -> str:
    return script("fill.sh", home / "registry", home / "store", port, ROLES / "kubernetes/files/push-images.sh")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Site]:
    home = tmp_path_factory.mktemp("home")
    folder = home / "registry"
    (folder / "data").mkdir(parents=True)
    image = docker_type(build(("base", 300_000), ("top", 100_000)))
    store = Store(str(home / "store")).create()
    for data in image.blobs.values():
        store.put_bytes(data)
    with store.changing() as held:
        holdings.add_image(held, image.record)
    port, pushing = free_port(), free_port()
    template = jinja2.Environment(autoescape=False).from_string((ROLE / "templates/config.yml.j2").read_text().replace("to_json", "tojson"))
    for kind in ("serve", "push"):
        values = {"item": kind, "__registry_folder": str(folder), "__registry_port": port, "registry_push_port": pushing}
        (folder / f"{kind}.yml").write_text(template.render(values))
    assert "authority" in script("certificates.sh", folder, "127.0.0.1", 397, 30)
    assert "filled" in fill(home, pushing)
    assert fill(home, pushing) == "", "a store that is the same is not pushed again"
    with contextlib.closing(socket.socket()) as probe:
        assert probe.connect_ex(("127.0.0.1", pushing)) != 0, "the instance that takes images in has ended"
    process = subprocess.Popen([str(programs.registry() / "docker-registry"), "serve", str(folder / "serve.yml")])
    made = Site(home, f"127.0.0.1:{port}", image)
    until = time.monotonic() + 30
    while (told := lan_registry.trouble(made.name, made.authority)) and time.monotonic() < until:
        time.sleep(0.1)
    assert told is None, told
    yield made
    process.terminate()
    process.wait(30)


def test_a_host_that_does_not_trust_it_or_finds_none(site: Site, tmp_path: Path) -> None:
    script("certificates.sh", tmp_path, "127.0.0.1", 397, 30)
    assert "CERTIFICATE_VERIFY_FAILED" in (lan_registry.trouble(site.name, (tmp_path / "ca.crt").read_text()) or "")
    port = site.name.partition(":")[2]
    assert "Hostname mismatch" in (lan_registry.trouble(f"localhost:{port}", site.authority) or "")
    assert "refused" in (lan_registry.trouble(f"127.0.0.1:{free_port()}", site.authority) or "")


def test_nobody_writes_over_the_network(site: Site) -> None:
    context = ssl.create_default_context(cadata=site.authority)
    connection = http.client.HTTPSConnection(site.name, timeout=10, context=context)
    for method, path in (("POST", "blobs/uploads/"), ("DELETE", f"manifests/{site.image.record['manifest']}")):
        connection.request(method, f"/v2/{site.image.record['repository']}/{path}")
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 405, (method, answer.status)


def wait_for_registry(private: Private, site: Site) -> None:
    """Wait until it listens in the engine's network."""
    address, port = site.name.split(":")
    for _attempt in range(300):
        if private.beside(sys.executable, "-c", f"import socket; socket.create_connection(({address!r}, {port}), 1)").wait(30) == 0:
            return
        time.sleep(0.1)
    raise AssertionError("the registry does not start in the engine's network")


@pytest.mark.parametrize("kind", KINDS)
def test_an_engine_pulls_by_digest_under_our_name(site: Site, kind: str, tmp_path: Path) -> None:
    record = site.image.record
    name = local_image("sentiment", record["manifest"])
    private = Private(kind)
    serving = private.beside(str(programs.registry() / "docker-registry"), "serve", str(site.home / "registry/serve.yml"))
    given = {"root": str(tmp_path), "image": record, "name": name, "docker_socket": private.socket, "registry": site.name}
    try:
        wait_for_registry(private, site)
        results = []
        for check in (True, False, False):
            argv = [sys.executable, "-c", MODULE, json.dumps({**given, "_ansible_check_mode": check})]
            results.append(json.loads(subprocess.run(argv, capture_output=True, text=True, check=True).stdout))
        names = [each for image in private.engine.images() for each in [*(image["RepoTags"] or []), *(image["RepoDigests"] or [])]]
        assert [result.get("changed") for result in results] == [True, True, False], results
        assert results[1]["image_id"] in (record["manifest"], record["config"]) and results[1]["user"]["uid"] == 1000
        assert name in names and not [each for each in names if each.startswith("127.0.0.1")]
        absent = {**given, "image": {**record, "manifest": "sha256:" + "0" * 64}, "name": "azure-ai.invalid/x:1"}
        failed = json.loads(subprocess.run([sys.executable, "-c", MODULE, json.dumps(absent)], capture_output=True, text=True, check=False).stdout)
        assert failed["failed"] and "sha256:0000" in failed["msg"] and "Traceback" not in failed["msg"]
    finally:
        serving.terminate()
        serving.wait(30)
        private.close()


def test_a_certificate_is_renewed_before_its_end_and_for_another_address(site: Site, tmp_path: Path) -> None:
    made = script("certificates.sh", tmp_path, "10.1.2.3", 20, 10)
    assert made.splitlines() == ["an authority of the site's own", "a certificate for 10.1.2.3"]
    authority = (tmp_path / "ca.crt").read_bytes()
    assert script("certificates.sh", tmp_path, "10.1.2.3", 20, 10) == ""
    before = (tmp_path / "server.crt").read_bytes()
    assert script("certificates.sh", tmp_path, "10.1.2.3", 20, 21, "--check") == "a certificate for 10.1.2.3\n"
    assert (tmp_path / "server.crt").read_bytes() == before
    for argv in (("10.1.2.3", 40, 21), ("control.lan", 40, 21), ("::1", 40, 21)):
        assert script("certificates.sh", tmp_path, *argv) == f"a certificate for {argv[0]}\n"
        assert script("certificates.sh", tmp_path, *argv) == ""
    assert (tmp_path / "ca.crt").read_bytes() == authority, "hosts trust what they trusted"
    (tmp_path / "server.key").unlink()
    assert script("certificates.sh", tmp_path, "::1", 40, 21) == "a certificate for ::1\n", "a key that was lost"
