# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulator's images, made without any registry and without an engine: Docker v2 schema 2 manifests over gzip layers.

Each image is a folder in skopeo's ``dir`` form. Layers, from the bottom: an interpreter (shared by all), the
simulator (shared by all), some megabytes of the service's own, ``/service.json``. So two versions of a service
differ in the top layer only, and all of this is the same bytes for the same input.

A set is a folder that holds the images of one state of the simulator; ``make`` adds to it what is missing.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import typing as t
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROGRAM = ("service.py", *sorted(path.name for path in HERE.glob("sim_*.py")))
OWN_BYTES = 4_000_000  # of the services that the road walks with
CATALOG = HERE.parents[1] / "plugins" / "plugin_utils" / "catalog"
SMALL_BYTES = 200_000  # of all others
SHARED = "shared.json"
Layer = dict[str, t.Any]  # digest, size, diff_id
# What mmdebstrap and apt leave behind; a real distroless image has none of it, and sources would name a mirror.
_NOT_IN_BASE: tuple[str, ...] = ("etc/apt", "etc/dpkg", "etc/alternatives", "etc/fstab", "etc/hostname", "etc/resolv.conf", "etc/cron.daily", "etc/logrotate.d")
_NOT_IN_BASE += ("var/lib/apt", "var/lib/dpkg", "var/cache", "var/log", "dev/", "usr/lib/dpkg")


@dataclass(frozen=True)
class Image:
    """One image: service of services.json, repository without registry, tag (it is the version, too), user (empty for that of the family)."""

    service: str
    repository: str
    tag: str
    user: str = ""

    @property
    def folder(self) -> str:
        """Name of its folder in a set of images."""
        named = ".".join(self.repository.split("/")[-2:])
        return f"{named}_{self.tag}" + (f"_as_{self.user.replace(':', '.')}" if self.user else "")

    @property
    def runs_as(self) -> str:
        """The configured user: as far as it is known, else the one of distroless images."""
        if self.user:
            return self.user
        if self.service == "document_intelligence_studio":
            return "1000"
        if self.service == "reverse_proxy":
            return ""
        return "0" if api_version(self.repository) in ("3.0", "3.1") else "nonroot"


IMAGES = (
    Image("speech_to_text", "azure-cognitive-services/speechservices/speech-to-text", "4.9.0-amd64-en-us"),
    Image("speech_to_text", "azure-cognitive-services/speechservices/speech-to-text", "4.10.0-amd64-en-us"),
    Image("text_translation", "azure-cognitive-services/translator/text-translation", "1.0.03113.842-amd64"),
    Image("sentiment", "azure-cognitive-services/textanalytics/sentiment", "3.0-en"),
)


def wanted(declared: t.Mapping[str, t.Any], user: str = "") -> Image:
    """The image of a declared container: ``service``, and ``tag`` (else the catalog's example) and ``options`` where they are given."""
    entry = _entry(declared["service"])
    properties = entry["options"]["properties"]
    options = {name: schema["default"] for name, schema in properties.items() if "default" in schema} | dict(declared.get("options", {}))
    for variant in entry.get("variants", ()):
        if all(options.get(name) == value for name, value in variant.get("when", {}).items()) and all(name in options for name in variant.get("given", ())):
            entry |= {name: variant[name] for name in ("repository", "example_tag") if name in variant}
    return Image(declared["service"], entry["repository"], declared.get("tag") or entry["example_tag"], user)


def every() -> tuple[Image, ...]:
    """An image for each service of the catalog and each of its variants that has a repository or tag of its own."""
    found = []
    for path in sorted(CATALOG.glob("*.yml")):
        entry = _entry(path.stem)
        if "repository" in entry:
            found += [wanted({"service": path.stem, "options": each.get("when", {})}) for each in ({}, *entry.get("variants", ()))]
    return tuple(dict.fromkeys(found))


def _entry(service: str) -> dict[str, t.Any]:
    # Here, because the demo runs with an interpreter that need not have it.
    import yaml

    return t.cast("dict[str, t.Any]", yaml.safe_load((CATALOG / f"{service}.yml").read_text()))


def api_version(repository: str) -> str:
    """The version of the API that a repository of Document Intelligence names at its end; 2.1 named none. Empty for any other."""
    match = re.search(r"form-recognizer/[a-z-]+?(?:-(\d\.\d))?$", repository)
    return (match[1] or "2.1") if match else ""


def service_json(service: str, version: str, repository: str = "") -> dict[str, t.Any]:
    """Content of an image's /service.json."""
    entry = json.loads((HERE / "services.json").read_text())[service]
    api = {"api_version": api_version(repository)} if "document" in entry else {}
    gpu = {"gpu": True} if entry.get("gpu_tags") and "gpu" in version else {}
    return {"service": service, "product": "-".join([service, *api.values()]), "version": version, **api, **gpu, **entry}


def key(base_key: str) -> str:
    """Everything that decides the images' bytes, hashed."""
    parts = [base_key, *((HERE / name).read_bytes().hex() for name in (*PROGRAM, "services.json", "images.py"))]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def build(base: Path, base_key: str, cache: Path) -> Path:
    """Make the set with the images of the road; ``base`` is the interpreter's tree as .tar.zst. Older sets are removed."""
    final = make(base, base_key, cache, IMAGES)
    for old in cache.iterdir():
        if old != final and old.is_dir() and not old.name.startswith("."):
            shutil.rmtree(old, ignore_errors=True)
    return final


def make(base: Path, base_key: str, cache: Path, images: t.Iterable[Image]) -> Path:
    """Add the images that the present set lacks, each whole or not at all; return the set's folder, where each lies in ``image.folder``.

    A set appears with the images of the road in it.
    """
    final = cache / key(base_key)
    missing = [image for image in dict.fromkeys([*images, *(() if final.is_dir() else IMAGES)]) if not (final / image.folder).is_dir()]
    if not missing:
        return final
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".images-", dir=cache) as scratch:
        work = Path(scratch) / "set"
        shared = _shared(base, final, work / "blobs")
        for image in missing:
            size = OWN_BYTES if any(image.service == each.service for each in IMAGES) else SMALL_BYTES
            # Noise gets no smaller, only later.
            own = files_layer({f"opt/{image.service}/model.bin": hashlib.shake_256(image.service.encode()).digest(size)})
            top = {"service.json": json.dumps(service_json(image.service, image.tag, image.repository), sort_keys=True).encode()}
            _image(work, image, [*shared, _store(work / "blobs", own, 0), _store(work / "blobs", files_layer(top))])
        work.chmod(0o755)
        if not final.is_dir():
            for row in shared:
                os.link(work / "blobs" / _name(row), work / _name(row))
            (work / SHARED).write_text(json.dumps(shared))
            shutil.rmtree(work / "blobs")
            os.replace(work, final)
        for image in missing if work.is_dir() else ():
            if not (final / image.folder).is_dir():
                os.replace(work / image.folder, final / image.folder)
    return final


def _shared(base: Path, final: Path, blobs: Path) -> list[Layer]:
    """The layers under every image: those of the set where it is, for packing the interpreter takes seconds."""
    if not final.is_dir():
        program = {f"app/{name}": (HERE / name).read_bytes() for name in PROGRAM}
        return [_store(blobs, base_layer(base)), _store(blobs, files_layer(program))]
    layers = t.cast("list[Layer]", json.loads((final / SHARED).read_text()))
    blobs.mkdir(parents=True)
    for layer in layers:
        os.link(final / _name(layer), blobs / _name(layer))
    return layers


def _name(layer: Layer) -> str:
    """Name of a layer's file."""
    return str(layer["digest"]).removeprefix("sha256:")


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


def _store(blobs: Path, layer: bytes, level: int = 6) -> Layer:
    """Write the layer compressed; return what manifest and config say of it."""
    packed = gzip.compress(layer, level, mtime=0)
    blobs.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(packed).hexdigest()
    (blobs / digest).write_bytes(packed)
    return {"digest": f"sha256:{digest}", "size": len(packed), "diff_id": "sha256:" + hashlib.sha256(layer).hexdigest()}


def _image(work: Path, image: Image, layers: list[Layer]) -> None:
    """Write one folder; layers are hard links, for the sets' folders share them."""
    folder = work / image.folder
    folder.mkdir()
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "created": "2026-01-01T00:00:00Z",
            "config": {
                "User": image.runs_as,
                "Env": ["PATH=/usr/local/bin:/usr/bin", "PYTHONDONTWRITEBYTECODE=1", "PYTHONUNBUFFERED=1"],
                "Entrypoint": ["/usr/bin/python3", "/app/service.py"],
                "ExposedPorts": {f"{5001 if image.service == 'document_intelligence_studio' else 5000}/tcp": {}},
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
        os.link(work / "blobs" / _name(layer), folder / _name(layer))
    (folder / hashlib.sha256(config).hexdigest()).write_bytes(config)
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=3))
    (folder / "version").write_text("Directory Transport Version: 1.1\n")
