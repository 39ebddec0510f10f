# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bundle laid out for scanners: its images as an OCI layout that insists on OCI's media types, packages, models and tools under their names.

This file is private to the collection.
"""

from __future__ import annotations

import os
import shutil
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import canonical, parse, pretty
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError, IntegrityError, MissingError, Problems
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.files import TEMPORARY_PREFIX, atomic_file, read_regular
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import medium, registry, room, verify
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import BLOBS, OCI_LAYOUT

ORIGINAL = "airgap.azure_ai.manifest"  # annotation: the digest under which the image is known upstream
OURS = {"airgap.azure_ai.layout": "1"}  # annotations of index.json: this folder was made by us, and may be replaced by us
TOP = ("oci-layout", "index.json", "blobs", "packages", "models", "control")
MAX_INDEX = 16 * 1024 * 1024
CONFIG = "application/vnd.oci.image.config.v1+json"
_OCI = "application/vnd.oci.image.layer.v1.tar"
_LAYERS = {
    "application/vnd.docker.image.rootfs.diff.tar": _OCI,
    "application/vnd.docker.image.rootfs.diff.tar.gzip": _OCI + "+gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd": _OCI + "+zstd",
}

Record = dict[str, t.Any]
Files = dict[str, t.Union[bytes, Digest]]  # path in the layout: its bytes, or the blob that it is


def files(manifest: Record, kit: Record | None = None) -> Files:
    """Everything that a layout of the bundle holds. Licenses are ciphertext, and left out.

    :param kit: ``control.json`` of the control kit that lies in the bundle's folder
    """
    found: Files = {"oci-layout": OCI_LAYOUT}
    entries = []
    for image in manifest["images"]:
        converted = _manifest_bytes(image)
        digest = Digest.of(converted) if converted else Digest.parse(image["manifest"])
        found[_blob(digest)] = converted or digest
        for name in [image["config"], *(layer["digest"] for layer in image["layers"])]:
            found[_blob(Digest.parse(name))] = Digest.parse(name)
        entries.append(_entry(image, digest, len(converted) if converted else image["manifest_size"]))
    found["index.json"] = pretty({"schemaVersion": 2, "mediaType": registry.INDEXES[1], "manifests": entries, "annotations": OURS})
    for package in manifest["packages"]:
        found[f"packages/{package['os']}/{package['filename']}"] = Digest.parse(package["digest"])
    for models in manifest["models"]:
        for file in models["files"]:
            found[f"models/{Digest.parse(models['digest']).short}/{file['path']}"] = Digest.parse(file["digest"])
    for entry in kit["files"] if kit else []:
        found[f"control/{entry['filename']}"] = Digest.parse(entry["digest"])
    return found


def reason(wanted: Files, sources: t.Mapping[Digest, str], dest: str, apart: t.Sequence[str] = ()) -> str | None:
    """Why the layout at ``dest`` has to be made, or None.

    :param apart: folders that it is made of, which it must not touch
    :raises InputError: something else lies there, or it would be in the way of what it is made of.
    """
    _check_apart(dest, apart)
    _check_ours(dest)
    if not os.path.isdir(dest):
        return "it is not there"
    here = {os.path.relpath(os.path.join(folder, name), dest) for folder, _folders, names in os.walk(dest) for name in names}
    other = sorted(here ^ set(wanted))
    if other:
        return f"{other[0]} is {'not of it' if other[0] in here else 'missing'}"
    for name, value in wanted.items():
        path = os.path.join(dest, name)
        same = _same_bytes(path, value) if isinstance(value, bytes) else os.lstat(path).st_size == os.stat(sources[value]).st_size
        if not same:
            return f"{name} is not the same"
    return None


def sources(wanted: Files, manifest: Record, folders: t.Sequence[str], kit: Record | None = None) -> dict[Digest, str]:
    """Where each blob of the layout lies: in the bundle, or in the store for what the bundle leaves out.

    :raises MissingError, Problems: it lies nowhere.
    """
    found, missing = {}, []
    sizes = {entry["digest"]: entry["size"] for entry in [*manifest["blobs"], *(kit["files"] if kit else [])]}
    for digest in sorted({value for value in wanted.values() if isinstance(value, Digest)}):
        paths = [verify.blob_path(folder, digest) for folder in folders]
        here = [path for path in paths if os.path.isfile(path) and not os.path.islink(path) and os.path.getsize(path) == sizes[str(digest)]]
        if here:
            found[digest] = here[0]
        else:
            missing.append(f"blob {digest} is not here")
    if len(missing) == 1:
        raise MissingError("layout", missing[0], "name the store, which holds what this bundle leaves out")
    if missing:
        raise Problems("layout", missing)
    return found


def make(wanted: Files, where: t.Mapping[Digest, str], dest: str) -> None:
    """Make the layout: hard links where the file system can, else copies. A layout of ours at ``dest`` is replaced when the new one is whole.

    :raises InputError: something else lies there.
    """
    _check_ours(dest)
    dest = os.path.realpath(dest)
    temporary = os.path.join(os.path.dirname(dest), TEMPORARY_PREFIX + os.path.basename(dest))
    before = f"{temporary}.before"
    for leftover in (temporary, before):
        shutil.rmtree(leftover, ignore_errors=True)
    copied = [path for path in where.values() if os.stat(path).st_dev != os.stat(os.path.dirname(dest)).st_dev]
    room.check(f"layout {dest}", os.path.dirname(dest), sum(map(os.path.getsize, copied)))
    try:
        for name, value in sorted(wanted.items()):
            path = os.path.join(temporary, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if isinstance(value, bytes):
                with open(path, "wb") as stream:
                    stream.write(value)
            else:
                _link(where[value], path, value)
        if os.path.isdir(dest):
            os.rename(dest, before)  # at once: half of it removed, nobody could tell any more that it is ours
        os.rename(temporary, dest)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(before, ignore_errors=True)


def _check_apart(dest: str, apart: t.Sequence[str]) -> None:
    """Raise InputError when one of the folders lies in ``dest``, or ``dest`` in one of them."""
    own = os.path.realpath(dest)
    for folder in apart:
        other = os.path.realpath(folder)
        if os.path.commonpath([own, other]) in (own, other):
            raise InputError(f"layout {dest}", f"would lie in, or replace, {folder}, which it is made of", "name a folder of its own")


def _check_ours(dest: str) -> None:
    """Raise InputError unless ``dest`` is not there, empty, or a layout that we made: a store and a bundle are OCI layouts as well."""
    what, advice = f"layout {dest}", "name a folder of its own, or remove that one first"
    if not os.path.lexists(dest):
        return
    if not os.path.isdir(dest):
        raise InputError(what, "is no folder", advice)
    names = sorted(os.listdir(dest))
    other = [name for name in names if name not in TOP]
    if other:
        raise InputError(what, f"holds other things: {other[0]}", advice)
    if names and not _marked(os.path.join(dest, "index.json")):
        raise InputError(what, "holds something that is no layout of ours: its index.json does not say so", advice)


def _marked(path: str) -> bool:
    try:
        value = parse(read_regular(path, MAX_INDEX), path, MAX_INDEX)
    except AirgapError:
        return False
    annotations = value.get("annotations") if isinstance(value, dict) else None
    return isinstance(annotations, dict) and OURS.items() <= annotations.items()


def _link(source: str, path: str, digest: Digest) -> None:
    try:
        os.link(source, path)
    except OSError:
        with atomic_file(path) as stream:
            if medium.read_span(source, 0, os.path.getsize(source), stream) != digest:
                raise IntegrityError(f"blob {digest}", f"damaged at {source}") from None


def _manifest_bytes(image: Record) -> bytes | None:
    """The image's manifest as OCI would have it, or None when it is one already."""
    if image["media_type"] == registry.OCI_MANIFEST:
        return None
    layers = [
        {"mediaType": _LAYERS.get(layer["media_type"], layer["media_type"]), "digest": layer["digest"], "size": layer["size"]} for layer in image["layers"]
    ]
    config = {"mediaType": CONFIG, "digest": image["config"], "size": image["config_size"]}
    value = {"schemaVersion": 2, "mediaType": registry.OCI_MANIFEST, "config": config, "layers": layers, "annotations": {ORIGINAL: image["manifest"]}}
    return canonical(value)


def _entry(image: Record, digest: Digest, size: int) -> Record:
    os_name, _slash, architecture = image["platform"].partition("/")
    return {
        "mediaType": registry.OCI_MANIFEST,
        "digest": str(digest),
        "size": size,
        "platform": {"os": os_name, "architecture": architecture},
        "annotations": {"org.opencontainers.image.ref.name": f"{image['repository']}:{image['tag']}", ORIGINAL: image["manifest"]},
    }


def _blob(digest: Digest) -> str:
    return os.path.join(BLOBS, digest.hex)


def _same_bytes(path: str, data: bytes) -> bool:
    try:
        return read_regular(path, len(data)) == data
    except AirgapError:
        return False
