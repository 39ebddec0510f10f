# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulator's images, made without any registry and without an engine: Docker v2 schema 2 manifests over gzip layers.

Each image is a folder in skopeo's ``dir`` form. Layers, from the bottom: an interpreter (shared by all), the
simulator (shared by all), some megabytes of the service's own, ``/service.json``. So two versions of a service
differ in the top layer only, and all of this is the same bytes for the same input.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import typing as t
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROGRAM = ("service.py", "sim_azure.py", "sim_http.py", "sim_license.py", "sim_settings.py", "sim_usage.py")
OWN_BYTES = 4_000_000
# What mmdebstrap and apt leave behind; a real distroless image has none of it, and sources would name a mirror.
_NOT_IN_BASE: tuple[str, ...] = ("etc/apt", "etc/dpkg", "etc/alternatives", "etc/fstab", "etc/hostname", "etc/resolv.conf", "etc/cron.daily", "etc/logrotate.d")
_NOT_IN_BASE += ("var/lib/apt", "var/lib/dpkg", "var/cache", "var/log", "dev/", "usr/lib/dpkg")


@dataclass(frozen=True)
class Image:
    """One image: service of services.json, repository without registry, tag (it is the version, too)."""

    service: str
    repository: str
    tag: str

    @property
    def folder(self) -> str:
        """Name of its folder in a set of images."""
        return f"{self.service}-{self.tag}"


IMAGES = (
    Image("speech_to_text", "azure-cognitive-services/speechservices/speech-to-text", "4.9.0-amd64-en-us"),
    Image("speech_to_text", "azure-cognitive-services/speechservices/speech-to-text", "4.10.0-amd64-en-us"),
    Image("text_translation", "azure-cognitive-services/translator/text-translation", "1.0.03113.842-amd64"),
    Image("sentiment", "azure-cognitive-services/textanalytics/sentiment", "3.0-en"),
)


def service_json(service: str, version: str) -> dict[str, t.Any]:
    """Content of an image's /service.json."""
    entry = json.loads((HERE / "services.json").read_text())[service]
    return {"service": service, "version": version, **entry}


def key(base_key: str) -> str:
    """Everything that decides the images' bytes, hashed."""
    parts = [base_key, *((HERE / name).read_bytes().hex() for name in (*PROGRAM, "services.json", "images.py"))]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def build(base: Path, base_key: str, cache: Path) -> Path:
    """Make the folder of all images unless it is there; ``base`` is the interpreter's tree as .tar.zst. Older sets are removed."""
    final = cache / key(base_key)
    if final.is_dir():
        return final
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".images-", dir=cache) as scratch:
        work = Path(scratch) / "set"
        program = {f"app/{name}": (HERE / name).read_bytes() for name in PROGRAM}
        shared = [_store(work / "blobs", base_layer(base)), _store(work / "blobs", files_layer(program))]
        own: dict[str, dict[str, t.Any]] = {}
        for image in IMAGES:
            if image.service not in own:
                data = hashlib.shake_256(image.service.encode()).digest(OWN_BYTES)
                own[image.service] = _store(work / "blobs", files_layer({f"opt/{image.service}/model.bin": data}))
            top = {"service.json": json.dumps(service_json(image.service, image.tag), sort_keys=True).encode()}
            _image(work, image, [*shared, own[image.service], _store(work / "blobs", files_layer(top))])
        shutil.rmtree(work / "blobs")
        work.chmod(0o755)
        os.replace(work, final)
    for old in cache.iterdir():
        if old != final and old.is_dir():
            shutil.rmtree(old, ignore_errors=True)
    return final


def base_layer(base: Path) -> bytes:
    """The interpreter's tree as a layer."""
    plain = subprocess.run(["zstd", "-dcq", "--", str(base)], check=True, capture_output=True).stdout
    target = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(plain)) as source, tarfile.open(fileobj=target, mode="w", format=tarfile.GNU_FORMAT) as layer:
        for entry in source.getmembers():
            name = entry.name.removeprefix("./")
            if not name or name == "." or name.startswith(_NOT_IN_BASE):
                continue
            content = source.extractfile(entry) if entry.isreg() else None
            entry.name, entry.mtime, entry.uname, entry.gname = name, 0, "", ""
            entry.linkname = entry.linkname.removeprefix("./") if entry.islnk() else entry.linkname
            layer.addfile(entry, content)
    return target.getvalue()


def files_layer(files: dict[str, bytes]) -> bytes:
    """A layer of plain files owned by root, with their folders."""
    target = io.BytesIO()
    folders = sorted({str(parent) for name in files for parent in Path(name).parents if str(parent) != "."})
    with tarfile.open(fileobj=target, mode="w", format=tarfile.GNU_FORMAT) as layer:
        for name in folders:
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            layer.addfile(entry)
        for name, content in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            layer.addfile(entry, io.BytesIO(content))
    return target.getvalue()


def _store(blobs: Path, layer: bytes) -> dict[str, t.Any]:
    """Write the layer compressed; return what manifest and config say of it."""
    packed = gzip.compress(layer, 6, mtime=0)
    blobs.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(packed).hexdigest()
    (blobs / digest).write_bytes(packed)
    return {"digest": f"sha256:{digest}", "size": len(packed), "diff_id": "sha256:" + hashlib.sha256(layer).hexdigest()}


def _image(work: Path, image: Image, layers: list[dict[str, t.Any]]) -> None:
    """Write one folder; layers are hard links, for the sets' folders share them."""
    folder = work / image.folder
    folder.mkdir()
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "created": "2026-01-01T00:00:00Z",
            "config": {
                "User": "nonroot",
                "Env": ["PATH=/usr/local/bin:/usr/bin", "PYTHONDONTWRITEBYTECODE=1", "PYTHONUNBUFFERED=1"],
                "Entrypoint": ["/usr/bin/python3", "/app/service.py"],
                "ExposedPorts": {"5000/tcp": {}},
                "WorkingDir": "/app",
            },
            "rootfs": {"type": "layers", "diff_ids": [layer["diff_id"] for layer in layers]},
            "history": [{"created": "2026-01-01T00:00:00Z", "created_by": "simulator"} for _layer in layers],
        },
        sort_keys=True,
    ).encode()
    form = "application/vnd.docker."
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{form}distribution.manifest.v2+json",
        "config": {"mediaType": f"{form}container.image.v1+json", "size": len(config), "digest": "sha256:" + hashlib.sha256(config).hexdigest()},
        "layers": [{"mediaType": f"{form}image.rootfs.diff.tar.gzip", "size": layer["size"], "digest": layer["digest"]} for layer in layers],
    }
    for layer in layers:
        name = layer["digest"].removeprefix("sha256:")
        os.link(work / "blobs" / name, folder / name)
    (folder / hashlib.sha256(config).hexdigest()).write_bytes(config)
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=3))
    (folder / "version").write_text("Directory Transport Version: 1.1\n")
