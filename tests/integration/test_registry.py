# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The site's registry: filled from a store, read over TLS, not written to, and pulled from by engines of all kinds."""

from __future__ import annotations

import http.client
import json
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
import contextlib, importlib, json, sys
from ansible.module_utils.testing import patch_module_args
module = importlib.import_module("ansible_collections.airgap.azure_ai.plugins.modules." + sys.argv[1])
with patch_module_args(json.loads(sys.argv[2])), contextlib.suppress(SystemExit):
    module.main()
"""


class Site(t.NamedTuple):
    """A control folder whose registry runs."""

    home: Path
    name: str
    image: Built

    @property
    def authority(self) -> str:
        return (self.home / "registry/ca.crt").read_text()


def act(module: str, **options: t.Any) -> dict[str, t.Any]:
    """Run a module as Ansible does; return its result."""
    done = subprocess.run([sys.executable, "-c", MODULE, module, json.dumps(options)], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return t.cast("dict[str, t.Any]", json.loads(done.stdout))


def put(store: Store, image: Built) -> None:
    for data in image.blobs.values():
        store.put_bytes(data)
    with store.changing() as held:
        holdings.add_image(held, image.record)


def sizes(folder: Path) -> int:
    return sum(path.stat().st_size for path in (folder / "data").rglob("*") if path.is_file())


def docker_type(built: Built, tag: str = "1.0") -> Built:
    """The same image with Docker's kind of manifest, as Microsoft's have."""
    manifest = next(json.loads(data) for digest, data in built.blobs.items() if digest == built.record["manifest"])
    manifest["mediaType"] = registry.DOCKER_MANIFEST
    manifest["config"]["mediaType"] = "application/vnd.docker.container.image.v1+json"
    for layer in manifest["layers"]:
        layer["mediaType"] = "application/vnd.docker.image.rootfs.diff.tar.gzip"
    data = json.dumps(manifest).encode()
    blobs = {digest: blob for digest, blob in built.blobs.items() if digest != built.record["manifest"]}
    record = registry.image_record("sentiment", built.record["repository"], tag, data, blobs[built.record["config"]], built.record["fetched"])
    return Built(record, {**blobs, record["manifest"]: data})


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def fill(home: Path) -> dict[str, t.Any]:
    return act("registry_fill", program=str(programs.registry() / "docker-registry"), folder=str(home / "registry"), store=str(home / "store"))


def certify(folder: Path, *addresses: str, **more: t.Any) -> dict[str, t.Any]:
    return act("registry_certificate", folder=str(folder), addresses=list(addresses), **more)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Site]:
    home = tmp_path_factory.mktemp("home")
    folder = home / "registry"
    (folder / "data").mkdir(parents=True)
    image = docker_type(build(("base", 300_000), ("top", 100_000)))
    store = Store(str(home / "store")).create()
    put(store, image)
    port = free_port()
    template = jinja2.Environment(autoescape=False).from_string((ROLE / "templates/config.yml.j2").read_text().replace("to_json", "tojson"))
    for kind in ("serve", "push"):
        values = {"item": kind, "__registry_folder": str(folder), "__registry_port": port}
        (folder / f"{kind}.yml").write_text(template.render(values))
    assert "authority" in certify(folder, "127.0.0.1")["msg"]
    assert fill(home)["changed"]
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
    certify(tmp_path, "127.0.0.1")
    assert "CERTIFICATE_VERIFY_FAILED" in (lan_registry.trouble(site.name, (tmp_path / "ca.crt").read_text()) or "")
    port = site.name.partition(":")[2]
    assert "Hostname mismatch" in (lan_registry.trouble(f"localhost:{port}", site.authority) or "")
    assert "refused" in (lan_registry.trouble(f"127.0.0.1:{free_port()}", site.authority) or "")


def test_a_host_is_told_what_it_lacks(site: Site) -> None:
    record = site.image.record
    there, absent = (f"{record['repository']}@{digest}" for digest in (record["manifest"], "sha256:" + "0" * 64))
    assert lan_registry.trouble(site.name, site.authority, images=[there]) is None
    assert lan_registry.trouble(site.name, site.authority, images=[there, absent]) == f"it lacks {record['repository']}@sha256:{'0' * 12}"
    told = lan_registry.trouble(site.name, site.authority, images=[absent, there, absent])
    assert told == f"it lacks 2 images, the first is {record['repository']}@sha256:{'0' * 12}"


def test_it_holds_what_the_store_holds_and_no_more(site: Site) -> None:
    store, folder = Store(str(site.home / "store")), site.home / "registry"
    put(store, docker_type(build(("base", 300_000), ("other", 50_000)), "2.0"))
    assert [fill(site.home).get("changed") for _each in range(2)] == [True, False], "a store that is the same is not pushed again"
    before = sizes(folder)
    with store.changing() as held:
        held["images"] = [record for record in held["images"] if record["tag"] != "2.0"]
    assert fill(site.home)["msg"] == "1 that the store no longer holds"
    assert 50_000 <= before - sizes(folder) < 100_000, "its space is given back, and what the other image shares stays"


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
        results = [act("image_load", **given, _ansible_check_mode=check) for check in (True, False, False)]
        names = [each for image in private.engine.images() for each in [*(image["RepoTags"] or []), *(image["RepoDigests"] or [])]]
        assert [result.get("changed") for result in results] == [True, True, False], results
        assert results[1]["image_id"] in (record["manifest"], record["config"]) and results[1]["user"]["uid"] == 1000
        assert name in names and not [each for each in names if each.startswith("127.0.0.1")]
        absent = {**given, "image": {**record, "manifest": "sha256:" + "0" * 64}, "name": "azure-ai.invalid/x:1"}
        failed = act("image_load", **absent)
        assert failed["failed"] and failed["missing_layers"] and "sha256:0000" in failed["msg"] and "Traceback" not in failed["msg"]
    finally:
        serving.terminate()
        serving.wait(30)
        private.close()
