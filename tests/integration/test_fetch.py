# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real skopeo fetches from a real registry: through a mirror, with a login, and killed while layers come: the next run ends as an undisturbed one.

AZURE_AI_KILLS sets how often it is killed.
"""

from __future__ import annotations

import base64
import json
import os
import random
import re
import shutil
import socket
import socketserver
import subprocess
import sys
import threading
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import holdings
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store
from tests.integration import programs
from tests.integration.engines import Built, build

KILLS = int(os.environ.get("AZURE_AI_KILLS", "6"))
PUSH = Path(__file__).parents[2] / "roles/kubernetes/files/push-images.sh"
CONFIG = 'version: 0.1\nlog: {{level: warn}}\nstorage:\n  filesystem: {{rootdirectory: "{folder}/data"}}\nhttp:\n  addr: "127.0.0.1:{port}"\n'
TLS = '  tls: {{certificate: "{folder}/server.crt", key: "{folder}/server.key"}}\nauth:\n  htpasswd: {{realm: test, path: "{folder}/htpasswd"}}\n'
LOGIN = "user:$2b$04$CdBUiBY0Hr.bSJoowxrxVOQd4M.fWcHBdeemtYDJmxf1b8ZgeB2s6"  # its password is "word"
RATE = 4_000_000  # bytes a second for each connection, so that there is a middle to be killed in
BASE = ("base", 4_000_000)
MODULE = """
import contextlib, json, sys
from ansible.module_utils.testing import patch_module_args
from ansible_collections.airgap.azure_ai.plugins.modules import image_fetch
with patch_module_args(json.loads(sys.argv[1])), contextlib.suppress(SystemExit):
    image_fetch.main()
"""


class Slow(socketserver.ThreadingTCPServer):
    """Passes connections on to a port of this machine; what comes back takes its time."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int) -> None:
        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with socket.create_connection(("127.0.0.1", port)) as upstream:
                    threading.Thread(target=pump, args=(self.request, upstream, 0), daemon=True).start()
                    pump(upstream, self.request, RATE, t.cast(Slow, self.server).may_send)

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def name(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    def may_send(self, _sent: int) -> bool:
        """Whether more of a connection is passed on."""
        return True


class Moody(Slow):
    """Has no time for the first requests, and drops the line in the middle of a layer, as often as it is told to."""

    def __init__(self, port: int, busy: int, cuts: int) -> None:
        super().__init__(port)
        self.busy, self.cuts, self.lock = busy, cuts, threading.Lock()
        self.said = self.dropped = 0

    def finish_request(self, request: t.Any, client_address: t.Any) -> None:
        plain = request.recv(3, socket.MSG_PEEK) in (b"GET", b"HEA")  # skopeo tries TLS first
        with self.lock:
            refuse = plain and self.said < self.busy
            self.said += refuse
        if refuse:
            request.recv(65536)
            request.sendall(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        else:
            super().finish_request(request, client_address)

    def may_send(self, sent: int) -> bool:
        """Called before more of a connection is passed on: the first ones end in their second megabyte."""
        with self.lock:
            cut = sent > 1_500_000 and self.dropped < self.cuts
            self.dropped += cut
        return not cut


def pump(source: socket.socket, target: socket.socket, rate: int, more: t.Callable[[int], bool] = lambda _sent: True) -> None:
    """Bytes from one end to the other until either is closed, or no ``more`` are to come."""
    sent = 0
    try:
        while (data := source.recv(65536)) and more(sent):
            target.sendall(data)
            sent += len(data)
            if rate:
                time.sleep(len(data) / rate)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return


class Zone(t.NamedTuple):
    """A registry with two images that share a layer and one of zstd, its folder, its slow door, and what it says of requests."""

    folder: Path
    door: str
    images: list[Built]
    log: Path
    direct: int

    def options(self, store: Path) -> dict[str, t.Any]:
        images = [{name: image.record[name] for name in ("service", "repository", "tag")} for image in self.images]
        return {"store": str(store), "registry": self.door, "images": images, "validate_certs": False, "lock": str(store / "images.lock.json")}

    def start(self, store: Path, home: Path | None = None, **options: t.Any) -> subprocess.Popen[str]:
        argv = [sys.executable, "-c", MODULE, json.dumps({**self.options(store), **options})]
        environment = {**os.environ, "HOME": str(home or Path.home())}
        return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)

    def run(self, store: Path, home: Path | None = None, **options: t.Any) -> dict[str, t.Any]:
        said, wrong = self.start(store, home, **options).communicate(timeout=120)
        assert said, wrong
        return t.cast("dict[str, t.Any]", json.loads(said))

    def fetch(self, store: Path, home: Path | None = None, **options: t.Any) -> dict[str, t.Any]:
        result = self.run(store, home, **options)
        assert not result.get("failed"), result
        return result

    def sent(self) -> list[str]:
        """Digests of the blobs that the registry was asked for, in order."""
        return re.findall(r'"GET /v2/[^ ]+/blobs/(sha256:[0-9a-f]{64})[^"]*" 200', self.log.read_text())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Serving:
    """A registry of the data in the folder, at the port that is given, until the block ends."""

    def __init__(self, folder: Path, text: str) -> None:
        self.port, self.log = free_port(), folder / "log"
        self.config = folder / f"{self.port}.yml"
        self.config.write_text(text.format(folder=folder, port=self.port))

    def __enter__(self) -> int:
        return self.start()

    def __exit__(self, *_raised: t.Any) -> None:
        self.stop()

    def start(self) -> int:
        """Serve; return the port."""
        with self.log.open("a") as stream:
            self.process = subprocess.Popen([str(programs.registry() / "docker-registry"), "serve", str(self.config)], stdout=stream, stderr=stream)
        until = time.monotonic() + 30
        while socket.socket().connect_ex(("127.0.0.1", self.port)) and time.monotonic() < until:
            time.sleep(0.05)
        return self.port

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(30)


@pytest.fixture(scope="module")
def zone(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Zone]:
    folder = tmp_path_factory.mktemp("zone")
    store, images = Store(str(folder / "origin")).create(), []
    for number, made in enumerate((build(BASE, ("top", 2_000_000)), build(BASE, ("other", 3_000_000)), build(("packed", 500_000), packed="zstd"))):
        images.append(Built({**made.record, "service": f"sentiment_{number}", "repository": f"azure/service-{number}"}, made.blobs))
        for data in made.blobs.values():
            store.put_bytes(data)
        with store.changing() as held:
            holdings.add_image(held, images[-1].record)
    registry = Serving(folder, CONFIG)
    port = registry.start()
    slow = Slow(port)
    try:
        subprocess.run(["sh", str(PUSH), store.path, f"docker://127.0.0.1:{port}", "--dest-tls-verify=false"], check=True, capture_output=True)
        yield Zone(folder, slow.name, images, folder / "log", port)
    finally:
        slow.shutdown()
        registry.stop()


def state(store: Path) -> dict[str, bytes]:
    """All files but locks and what is remembered of inodes; when an image was fetched is nobody's business here."""
    ignored = ("verified.json", "lock", "writers", "images.lock")
    found = {str(path.relative_to(store)): path.read_bytes() for path in sorted(store.rglob("*")) if path.is_file() and path.name not in ignored}
    held = json.loads(found["holdings.json"])
    images = [{name: value for name, value in image.items() if name != "fetched"} for image in held["images"]]
    return {**found, "holdings.json": json.dumps({**held, "images": images}).encode()}


def running(door: str) -> list[str]:
    """Programs that still fetch from the registry."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode().split("\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if words[0].endswith("skopeo") and any(door in word for word in words):
            found.append(" ".join(words))
    return found


@pytest.fixture(scope="module")
def calm(zone: Zone, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, bytes], float]:
    """What an undisturbed run makes, and the seconds that it takes."""
    store = tmp_path_factory.mktemp("calm") / "store"
    started = time.monotonic()
    result = zone.fetch(store)
    taken = time.monotonic() - started
    assert [image["manifest"] for image in result["images"]] == [image.record["manifest"] for image in zone.images], "the registry's own bytes"
    assert zone.fetch(store)["changed"] is False
    return state(store), taken


@pytest.mark.parametrize("seed", range(KILLS))
def test_a_fetch_that_was_killed_goes_on(zone: Zone, calm: tuple[dict[str, bytes], float], tmp_path: Path, seed: int) -> None:
    process = zone.start(tmp_path / "store")
    time.sleep(calm[1] * random.Random(seed).uniform(0.3, 0.98))
    process.kill()
    process.communicate(timeout=30)
    until = time.monotonic() + 10
    while running(zone.door) and time.monotonic() < until:
        time.sleep(0.02)
    assert running(zone.door) == [], "skopeo does not outlive the module"
    whole = {path.name for path in (tmp_path / "store").rglob("*") if re.fullmatch("[0-9a-f]{64}", path.name)}
    before = len(zone.sent())
    zone.fetch(tmp_path / "store")
    assert state(tmp_path / "store") == calm[0]
    layers = {layer["digest"] for image in zone.images for layer in image.record["layers"]}
    assert not [digest for digest in zone.sent()[before:] if digest in layers and digest[7:] in whole], "what came whole is not fetched again"


def test_a_registry_that_is_busy_and_a_line_that_breaks_are_tried_again(zone: Zone, calm: tuple[dict[str, bytes], float], tmp_path: Path) -> None:
    port = zone.direct
    hopeless = Moody(port, busy=1000, cuts=0)
    moody = Moody(port, busy=2, cuts=1)
    try:
        refused = zone.run(tmp_path / "other", registry=hopeless.name, retries=0)
        assert refused["failed"] and "\n" not in refused["msg"] and hopeless.said > 0
        started = time.monotonic()
        zone.fetch(tmp_path / "store", registry=moody.name, retries=3)
    finally:
        hopeless.shutdown()
        moody.shutdown()
    assert (moody.said, moody.dropped) == (2, 1) and time.monotonic() - started > 2, "pauses lie between the attempts"
    assert state(tmp_path / "store") == calm[0]


def test_a_mirror_that_skopeo_knows_serves_instead(zone: Zone, calm: tuple[dict[str, bytes], float], tmp_path: Path) -> None:
    known = tmp_path / ".config/containers/registries.conf"
    known.parent.mkdir(parents=True)
    known.write_text(f'[[registry]]\nlocation = "registry.invalid"\n[[registry.mirror]]\nlocation = "{zone.door}"\ninsecure = true\n')
    zone.fetch(tmp_path / "store", tmp_path, registry="registry.invalid")
    assert state(tmp_path / "store") == calm[0]


def test_a_registry_with_a_login_and_an_authority_of_its_own(zone: Zone, calm: tuple[dict[str, bytes], float], tmp_path: Path) -> None:
    subject = ["-days", "2", "-subj", "/CN=registry", "-addext", "subjectAltName=IP:127.0.0.1"]
    key = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-keyout",
        str(zone.folder / "server.key"),
        "-out",
        str(zone.folder / "server.crt"),
    ]
    subprocess.run(["openssl", "req", "-x509", *key, *subject], check=True, capture_output=True)
    (zone.folder / "htpasswd").write_text(f"{LOGIN}\n")
    (tmp_path / "authority").mkdir()
    shutil.copy(zone.folder / "server.crt", tmp_path / "authority/ca.crt")
    store, login = tmp_path / "store", tmp_path / "auth.json"
    with Serving(zone.folder, CONFIG + TLS) as port:
        options = {"registry": f"127.0.0.1:{port}", "validate_certs": True, "retries": 0}
        login.write_text(json.dumps({"auths": {options["registry"]: {"auth": base64.b64encode(b"user:word").decode()}}}))
        assert "certificate is not trusted" in zone.run(store, tmp_path, **options)["msg"]
        options["ca_path"] = str(tmp_path / "authority")
        refused = zone.run(store, tmp_path, **options)["msg"]
        assert "the registry refuses us" in refused and "authfile" in refused
        result = zone.fetch(store, tmp_path, **options, authfile=str(login))
    assert state(store) == calm[0] and "word" not in json.dumps(result)
