# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What registries speak: references, manifests, indexes and configs, judged as plain bytes.

This file is private to the collection.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base import names
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import parse
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, IntegrityError

MAX_MANIFEST = 4 * 1024 * 1024
MAX_CONFIG = 16 * 1024 * 1024
MAX_LAYERS = 512

DOCKER_MANIFEST, OCI_MANIFEST, MANIFESTS, INDEXES = names.DOCKER_MANIFEST, names.OCI_MANIFEST, names.MANIFESTS, names.INDEXES
LAYERS = (
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd",
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.oci.image.layer.v1.tar+zstd",
)

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?|\[[0-9A-Fa-f:]+\](:[0-9]{1,5})?")
_REPOSITORY = re.compile(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


class Descriptor(t.NamedTuple):
    """A blob as a manifest names it: digest, size in bytes, media type."""

    digest: Digest
    size: int
    media_type: str


class Manifest(t.NamedTuple):
    """An image manifest: media type, config and layers (base first)."""

    media_type: str
    config: Descriptor
    layers: list[Descriptor]


def reference(registry: str, repository: str, tag: str) -> str:
    """``registry/repository:tag`` (or ``@digest``). Raise InputError on anything that a registry would not have."""
    if not _HOST.fullmatch(registry):
        raise InputError(f"registry {registry!r}", "not a host name with an optional port", "leave out the scheme and the path")
    if not is_repository(repository):
        raise InputError(f"repository {repository!r}", "not a repository name", "it is lower-case, without the registry's host and without a tag")
    if tag.startswith("sha256:"):
        return f"{registry}/{repository}@{Digest.parse(tag)}"
    if not is_tag(tag):
        raise InputError(f"tag {tag!r} of {repository}", "not an image tag")
    return f"{registry}/{repository}:{tag}"


def is_repository(text: object) -> bool:
    """Whether ``text`` is a repository name without a host."""
    return isinstance(text, str) and len(text) <= 255 and _REPOSITORY.fullmatch(text) is not None


def is_tag(text: object) -> bool:
    """Whether ``text`` is an image tag."""
    return isinstance(text, str) and _TAG.fullmatch(text) is not None


def document(data: bytes, what: str) -> tuple[str, t.Any]:
    """Parse a manifest or index; return (media type, value). Raise InputError for other things."""
    value = parse(data, what, MAX_MANIFEST)
    if not isinstance(value, dict) or value.get("schemaVersion") != 2:
        raise InputError(what, "the registry gave no manifest of schema 2", "images of schema 1 are too old to be carried")
    declared = value.get("mediaType")
    if declared is None:  # OCI leaves it optional; the members tell
        declared = INDEXES[1] if "manifests" in value else OCI_MANIFEST
    if declared not in MANIFESTS + INDEXES:
        raise InputError(what, f"manifest of the unknown type {declared!r}"[:200])
    return declared, value


def pick_platform(value: t.Mapping[str, t.Any], what: str, system: str = "linux", architecture: str = "amd64") -> Descriptor:
    """The entry of an index for the platform. Raise InputError naming the platforms that there are."""
    seen = []
    for entry in _list(value, "manifests", what):
        platform = entry.get("platform") if isinstance(entry, dict) else None
        platform = platform if isinstance(platform, dict) else {}
        if (platform.get("os"), platform.get("architecture")) == (system, architecture):
            return _descriptor(entry, what, MANIFESTS, MAX_MANIFEST)
        seen.append(f"{platform.get('os')}/{platform.get('architecture')}")
    raise InputError(what, f"has no image for {system}/{architecture}, only {', '.join(seen) or 'nothing'}"[:300], "choose a tag made for it")


def read_manifest(data: bytes, what: str) -> Manifest:
    """Judge the bytes of an image manifest. Raise InputError saying what is wrong with its shape."""
    media_type, value = document(data, what)
    if media_type in INDEXES:
        raise InputError(what, "an index where an image manifest belongs")
    layers = [_descriptor(entry, what, LAYERS, None) for entry in _list(value, "layers", what)]
    if len(layers) > MAX_LAYERS:
        raise InputError(what, f"{len(layers)} layers, more than the {MAX_LAYERS} allowed")
    return Manifest(media_type, _descriptor(value.get("config"), what, None, MAX_CONFIG), layers)


def diff_ids(config: bytes, what: str, count: int, platform: str = "linux/amd64") -> list[str]:
    """The digests of the unpacked layers that an image config lists.

    :param count: how many layers the manifest has
    :raises InputError: not a config, another platform, or another number of layers.
    """
    value = parse(config, what, MAX_CONFIG)
    if not isinstance(value, dict):
        raise InputError(what, "its config is not an image config")
    found = f"{value.get('os')}/{value.get('architecture')}"
    if found != platform:
        raise InputError(what, f"made for {found}, not for {platform}"[:200], "choose a tag made for it")
    rootfs = value.get("rootfs")
    ids = [str(Digest.parse(item)) for item in _list(rootfs if isinstance(rootfs, dict) else {}, "diff_ids", what)]
    if len(ids) != count:
        raise InputError(what, f"its config lists {len(ids)} layers and its manifest {count}")
    return ids


def image_record(service: str, repository: str, tag: str, manifest: bytes, config: bytes, fetched: str) -> dict[str, t.Any]:
    """The image record of the original bytes of manifest and config.

    :param fetched: when, ``YYYY-MM-DDTHH:MM:SSZ``
    :raises IntegrityError: the config is not the one that the manifest names.
    """
    what = f"image {service}:{tag}"
    parsed = read_manifest(manifest, what)
    if (Digest.of(config), len(config)) != (parsed.config.digest, parsed.config.size):
        raise IntegrityError(what, f"its config is {Digest.of(config)}, its manifest names {parsed.config.digest}", "run again")
    ids = diff_ids(config, what, len(parsed.layers))
    layers = [
        {"digest": str(layer.digest), "size": layer.size, "media_type": layer.media_type, "diff_id": diff_id} for layer, diff_id in zip(parsed.layers, ids)
    ]
    return {
        "service": service,
        "repository": repository,
        "tag": tag,
        "manifest": str(Digest.of(manifest)),
        "media_type": parsed.media_type,
        "manifest_size": len(manifest),
        "config": str(parsed.config.digest),
        "config_size": parsed.config.size,
        "layers": layers,
        "platform": "linux/amd64",
        "fetched": fetched,
    }


def complete_record(image: t.Mapping[str, t.Any]) -> t.Mapping[str, t.Any]:
    """The image record as it is. Raise InputError when it lacks what loading and binding need."""
    missing = [name for name in ("manifest", "manifest_size", "media_type", "config", "config_size", "layers") if name not in image]
    if missing:
        raise InputError("image", f"its record is without {', '.join(missing)}", "give a record that image_fetch returned")
    Digest.parse(image["manifest"])
    return image


def _list(value: t.Mapping[str, t.Any], key: str, what: str) -> list[t.Any]:
    found = value.get(key)
    if not isinstance(found, list):
        raise InputError(what, f"{key} is missing or not a list")
    return found


def _descriptor(value: t.Any, what: str, media_types: t.Sequence[str] | None, limit: int | None) -> Descriptor:
    if not isinstance(value, dict):
        raise InputError(what, "a descriptor is missing or not an object")
    size, media_type = value.get("size"), value.get("mediaType")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0 or (limit is not None and size > limit):
        raise InputError(what, f"a descriptor has the size {size!r}"[:200])
    if not isinstance(media_type, str) or (media_types is not None and media_type not in media_types):
        raise InputError(what, f"a part has the type {media_type!r}, which cannot be carried"[:200])
    return Descriptor(Digest.parse(value.get("digest")), size, media_type)
