# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An engine that is a small HTTP server on a Unix socket, and image records, releases and wishes made of nothing."""

from __future__ import annotations

import hashlib
import http.server
import io
import json
import socketserver
import tarfile
import threading
import typing as t
import urllib.parse
from pathlib import Path

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.release import Release, selector
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import entries
from ansible_collections.airgap.azure_ai.plugins.plugin_utils import _catalog

V2S2 = "application/vnd.docker.distribution.manifest.v2+json"
GZIP = "application/vnd.docker.image.rootfs.diff.tar.gzip"
PASSWD = "root:x:0:0:r:/:/s\nnonroot:x:65532:65533:n:/:/s\n"


def sha(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Image:
    """An image whose layers are any bytes; blobs lie in ``blobs`` by digest."""

    def __init__(self, *layers: bytes, service: str = "sentiment", tag: str = "3.0-en", kind: str = GZIP) -> None:
        diffs = [sha(b"unpacked " + data) for data in layers]
        config = json.dumps({"config": {"User": "nonroot"}, "rootfs": {"type": "layers", "diff_ids": diffs}}).encode()
        manifest = json.dumps({"schemaVersion": 2, "mediaType": V2S2, "config": sha(config), "layers": [sha(data) for data in layers]}).encode()
        self.blobs = {sha(data): data for data in (config, manifest, *layers)}
        self.record: dict[str, t.Any] = {
            "service": service,
            "repository": f"azure-cognitive-services/{service}",
            "tag": tag,
            "manifest": sha(manifest),
            "media_type": V2S2,
            "manifest_size": len(manifest),
            "config": sha(config),
            "config_size": len(config),
            "platform": "linux/amd64",
            "fetched": "2026-01-31T12:00:00Z",
            "layers": [{"digest": sha(data), "size": len(data), "media_type": kind, "diff_id": diff} for data, diff in zip(layers, diffs)],
        }

    def opener(self, digest: str) -> t.BinaryIO:
        return io.BytesIO(self.blobs[digest])

    def lay(self, root: Path) -> None:
        """Put the blobs into a host's store."""
        folder = root / "store" / "blobs" / "sha256"
        folder.mkdir(parents=True, exist_ok=True)
        for digest, data in self.blobs.items():
            (folder / digest[7:]).write_bytes(data)


class FakeEngine:
    """What a Docker Engine does with images and containers, classic or with the containerd store, in a few lines."""

    def __init__(self, path: str, store: str = "classic", api: str = "1.41") -> None:
        self.path, self.store, self.api = path, store, api
        self.images: dict[str, dict[str, t.Any]] = {}
        self.blobs: set[str] = set()
        self.containers: dict[str, dict[str, t.Any]] = {}
        self.paths: list[str] = []
        self.archives: list[dict[str, bytes]] = []
        self.logs = b""
        self.served: dict[str, dict[str, t.Any]] = {}
        self.answers: dict[str, tuple[int, bytes]] = {}
        engine = self

        class Handler(_Handler):
            fake = engine

        self.server = _Server(path, Handler)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def pull(self, reference: str) -> tuple[int, bytes]:
        """The registry holds what ``served`` says."""
        said = json.dumps({"status": "Pulling", "progressDetail": {}}).encode() + b"\r\n"
        image = self.served.get(reference)
        if image is None:
            return 200, said + json.dumps({"errorDetail": {}, "error": "manifest unknown"}).encode()
        self.images[reference] = image
        return 200, said

    def load(self, data: bytes) -> tuple[int, bytes]:
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            files = {member.name: t.cast("t.IO[bytes]", tar.extractfile(member)).read() for member in tar}
        self.archives.append(files)
        index = json.loads(files["manifest.json"])[0]
        config = json.loads(files[index["Config"]])
        chain = config["rootfs"]["diff_ids"]
        self.blobs |= {name for name in files if name.startswith("blobs/")}
        held = max((common(chain, image["RootFS"]["Layers"]) for image in self.images.values()), default=0)
        lost = [name for place, name in enumerate(index["Layers"]) if (place >= held if self.store == "classic" else True) and name not in files]
        if self.store == "containerd":
            lost = [name for name in lost if name not in self.blobs]
            digest = json.loads(files["index.json"])["manifests"][0]["digest"]
        else:
            digest = sha(files[index["Config"]])
        if lost and self.store == "classic":
            return 200, json.dumps({"errorDetail": {}, "error": f"open /tmp/docker-import-1/{lost[0]}: no such file or directory"}).encode()
        self.images[index["RepoTags"][0]] = {"Id": digest, "Config": config["config"], "RootFS": {"Layers": chain}, "broken": bool(lost)}
        return 200, json.dumps({"stream": f"Loaded image: {index['RepoTags'][0]}\n"}).encode() + b"\r\n"


def common(one: t.Sequence[str], other: t.Sequence[str]) -> int:
    return next((place for place, (left, right) in enumerate(zip(one, other)) if left != right), min(len(one), len(other)))


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

    def handle_error(self, request: t.Any, client_address: t.Any) -> None:
        pass  # a client that breaks off is part of the tests


class _Handler(http.server.BaseHTTPRequestHandler):
    fake: FakeEngine
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: t.Any) -> None:
        pass

    def address_string(self) -> str:
        return "socket"

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def _answer(self) -> None:
        parsed = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(parsed.query))
        self.fake.paths.append(f"{self.command} {parsed.path}")
        path = urllib.parse.unquote(parsed.path)
        bare = path if path == "/version" else "/" + path.split("/", 2)[2]
        status, body = self.fake.answers.get(bare) or self._route(bare, query, self._body())
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        data = b""
        while True:
            size = int(self.rfile.readline(), 16)
            data += self.rfile.read(size)
            self.rfile.readline()
            if not size:
                return data

    def _route(self, path: str, query: dict[str, str], body: bytes) -> tuple[int, bytes]:
        fake, parts = self.fake, path.strip("/").split("/")
        if path == "/version":
            return _json({"Version": "20.10.24", "ApiVersion": fake.api, "MinAPIVersion": "1.12"})
        if path == "/info":
            driver = [["driver-type", "io.containerd.snapshotter.v1"]] if fake.store == "containerd" else [["Backing Filesystem", "extfs"]]
            return _json({"ID": "ABCD", "DriverStatus": driver, "DockerRootDir": "/", "SecurityOptions": ["name=seccomp,profile=default"]})
        if path == "/networks":
            return _json([{"Name": "bridge"}])
        if path == "/images/create":
            return fake.pull(query["fromImage"])
        if parts[0] == "images" and parts[-1] == "tag":
            fake.images[f"{query['repo']}:{query['tag']}"] = fake.images[path[len("/images/") : -len("/tag")]]
            return 201, b""
        if path == "/images/load":
            return fake.load(body)
        if parts[0] == "images":
            return self._images(path[len("/images/") :])
        return self._containers(parts, query, body)

    def _images(self, rest: str) -> tuple[int, bytes]:
        fake = self.fake
        if rest == "json":
            return _json([{"Id": image["Id"], "RepoTags": [name]} for name, image in fake.images.items()])
        name = rest[: -len("/json")] if rest.endswith("/json") else rest
        if name not in fake.images:
            return _json({"message": f"No such image: {name}"}, 404)
        return _json([{"Untagged": name, "was": fake.images.pop(name)["Id"]}]) if self.command == "DELETE" else _json(fake.images[name])

    def _containers(self, parts: list[str], query: dict[str, str], body: bytes) -> tuple[int, bytes]:
        fake = self.fake
        if parts[1:] == ["json"]:
            return _json(list(fake.containers.values()))
        if parts[1:] == ["create"]:
            config = json.loads(body)
            image = fake.images.get(config["Image"])
            if image is None or image["broken"]:
                return _json({"message": "No such image" if image is None else "content digest sha256:00: not found"}, 404)
            fake.containers["c1"] = {"Id": "c1", "Names": ["/c1"], "config": config, "Labels": config.get("Labels", {}), "name": query.get("name")}
            return _json({"Id": "c1"}, 201)
        if self.command == "DELETE":
            return (204, b"") if fake.containers.pop(parts[1], None) else _json({"message": "No such container"}, 404)
        if parts[2:] == ["archive"]:
            return (200, tar({"passwd": PASSWD.encode()})) if query["path"] == "/etc/passwd" else _json({"message": "no such file"}, 404)
        if parts[2:] == ["wait"]:
            return _json({"StatusCode": 3})
        if parts[2:] == ["logs"]:
            return 200, fake.logs
        return 204, b""


def tar(files: t.Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def _json(value: t.Any, status: int = 200) -> tuple[int, bytes]:
    return status, json.dumps(value).encode()


def release(image: Image, models: str | None = None, **more: t.Any) -> dict[str, t.Any]:
    """A release for an image's record as holdings have it."""
    record = image.record
    options = more.pop("options", {})
    values = {"license": sha(b"ciphertext"), "expires": "2026-12-31", "downloaded": "2026-02-01T00:00:00Z", **more}
    chosen = selector(record["service"], record["tag"], "lang-dc0", options)
    return Release(
        selector=chosen, service=record["service"], tag=record["tag"], resource="lang-dc0", options=options, image=record["manifest"], models=models, **values
    ).dump()


def declaration(name: str = "sent-en", port: int = 5001, image: Image | None = None, **more: t.Any) -> dict[str, t.Any]:
    """A validated declaration."""
    record = image.record if image else {"service": "sentiment", "tag": "3.0-en"}
    return {
        "name": name,
        "service": record["service"],
        "tag": record["tag"],
        "port": port,
        "bind": "127.0.0.1",
        "resource": "lang-dc0",
        "cpus": 4,
        "memory": 8 * 1024**3,
        "options": {},
        "settings": {},
        "variable": "azure_ai_containers",
        "metered": True,
        "group": None,
        "member": None,
        "group_service": None,
        "members": {},
        "links": {},
        "after": [],
        "network": None,
        "hardening": {},
        "disk_logging": None,
        "adopt": None,
        **more,
    }


def have(**more: t.Any) -> dict[str, t.Any]:
    """A host with an engine and nothing in it."""
    return {
        "os": "debian-12",
        "arch": "amd64",
        "python": "3.11.2",
        "cpus": 16,
        "cpu_flags": ["avx2"],
        "memory": 64 * 1024**3,
        "disk": {"root": {"free": 10**12, "total": 10**12}, "docker": {"free": 10**12, "total": 10**12}},
        "now": "2026-06-01T00:00:00Z",
        "packages": {"docker.io": "20", "rsync": "3", "python3-requests": "2"},
        "tools": {"rsync": True, "requests": True, "zstd": True},
        "listening": [22],
        "engine": {"version": "20.10.24", "api": "1.41", "id": "E", "store": "classic", "root_dir": "/var/lib/docker", "rootless": False, "userns": False},
        "engine_error": None,
        "engine_program": None,
        "engine_ours": False,
        "engine_packages": None,
        "daemon": {"reason": None, "apply": "nothing", "error": None},
        "routes": [],
        "gpus": {"count": 0, "runtime": False},
        "networks": [],
        "images": [],
        "containers": [],
        "deployed": {},
        "lock": None,
        "models": [],
        "store": {},
        "incoming": None,
        "folders": {},
        "outputs": {},
        "nginx": None,
        "front": None,
        **more,
    }


def item(image: Image, models: dict[str, t.Any] | None = None, release_more: dict[str, t.Any] | None = None, **more: t.Any) -> dict[str, t.Any]:
    """One wanted container; ``entry_more`` changes keys of its catalog entry."""
    entry_more = more.pop("entry_more", {})
    entry = entries.resolved({**_catalog.load()[image.record["service"]], **entry_more}, more.get("options", {}))
    found = release(image, models["digest"] if models else None, **(release_more or {}))
    return {"declaration": declaration(image=image, **more), "entry": entry, "release": found, "image": image.record, "models": models, "files": None}


def want(*items: dict[str, t.Any], **more: t.Any) -> dict[str, t.Any]:
    """A wish for some containers."""
    return {
        "root": "/var/lib/azure-ai",
        "site": "plant-7",
        "control_now": "2026-06-01T00:00:00Z",
        "newest": "2026-02-01T00:00:00Z",
        "containers": list(items),
        "records": [one["image"] for one in items if one["image"]],
        "packages": [],
        "allow_small": False,
        **more,
    }
