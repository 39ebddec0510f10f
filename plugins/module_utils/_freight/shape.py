# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge a manifest that came from outside: each field's form, every bound, both directions of reference.

The normative description is docs/bundle-format.md. This file is private to the collection.
"""

from __future__ import annotations

import collections
import datetime
import re
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.names import is_dns_label
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.release import Release
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.release import selector as selector_of
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import holdings as _holdings
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import manifest as _manifest
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import registry

MAX_RECORDS = 20_000  # of each list
MAX_FILES = 100_000  # of one set of models or declared files
MAX_BLOB = 2**40  # bytes
MAX_SECRET = 16 * 1024 * 1024
MAX_PROBLEMS = 50  # lines; more help nobody
KINDS = ("layer", "config", "manifest", "license", "model", "package", "file", "receipt")
LIMITS = {"license": MAX_SECRET, "config": registry.MAX_CONFIG, "manifest": registry.MAX_MANIFEST, "receipt": MAX_SECRET}

Check = t.Callable[[t.Any], bool]
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,199}")
SYSTEM = re.compile(r"[a-z][a-z0-9]*-[0-9][0-9.]*")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def matches(pattern: t.Pattern[str]) -> Check:
    """A check that a text matches as a whole."""
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def number(most: int) -> Check:
    """A check for an integer from 0 to ``most``."""
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most


def optional(check: Check) -> Check:
    """A check that lets null pass as well."""
    return lambda value: value is None or check(value)


def is_text(value: t.Any) -> bool:
    """A text of one line, at most 1024 characters."""
    return isinstance(value, str) and len(value) <= 1024 and value.isprintable()


def is_digest(value: t.Any) -> bool:
    """``sha256:<hex>``."""
    try:
        Digest.parse(value)
    except AirgapError:
        return False
    return True


def is_path(value: t.Any) -> bool:
    """A relative path that cannot leave its folder: clean parts, no ``..``, no control characters."""
    if not is_text(value) or not value or "\\" in value:
        return False
    return all(part not in ("", ".", "..") and len(part.encode("utf-8", "replace")) <= 255 for part in value.split("/"))


def is_settings(value: t.Any) -> bool:
    """Names and values of settings, all texts."""
    return isinstance(value, dict) and all(is_text(name) and isinstance(item, str) and len(item) <= 65536 for name, item in value.items())


def is_list(value: t.Any) -> bool:
    """A list, of bounded length."""
    return isinstance(value, list) and len(value) <= MAX_FILES


SHAPES: dict[str, dict[str, Check]] = {
    "images": {
        "service": matches(_NAME),
        "repository": registry.is_repository,
        "tag": registry.is_tag,
        "manifest": is_digest,
        "media_type": lambda value: value in registry.MANIFESTS,
        "manifest_size": number(registry.MAX_MANIFEST),
        "config": is_digest,
        "config_size": number(registry.MAX_CONFIG),
        "layers": lambda value: is_list(value) and len(value) <= registry.MAX_LAYERS,
        "platform": lambda value: value == "linux/amd64",
        "fetched": matches(_TIME),
    },
    "layers": {"digest": is_digest, "size": number(MAX_BLOB), "media_type": lambda value: value in registry.LAYERS, "diff_id": is_digest},
    "models": {"digest": is_digest, "files": is_list},
    "model files": {"path": is_path, "digest": is_digest, "size": number(MAX_BLOB)},
    "releases": {
        "id": matches(re.compile(r"[0-9a-f]{16}")),
        "selector": is_text,
        "service": matches(_NAME),
        "tag": registry.is_tag,
        "resource": is_text,
        "options": lambda value: isinstance(value, dict),
        "image": is_digest,
        "license": optional(is_digest),
        "license_size": number(MAX_SECRET),
        "license_file": lambda value: is_path(value) and "/" not in value,
        "models": optional(is_digest),
        "settings": is_settings,
        "downloaded": optional(is_text),
        "expires": optional(matches(_DAY)),
        "files": optional(is_digest),
        "made": optional(matches(_TIME)),  # where it is not when its license was downloaded; releases are sorted by release.age
    },
    "packages": {
        "os": matches(SYSTEM),
        "arch": matches(_NAME),
        "name": matches(_NAME),
        "version": is_text,
        "filename": lambda value: is_path(value) and "/" not in value and value.endswith(".deb"),
        "digest": is_digest,
        "size": number(MAX_BLOB),
        "requested": lambda value: isinstance(value, bool),
    },
    "files": {"path": is_path, "digest": is_digest, "size": number(MAX_BLOB)},
    "receipts": {"name": matches(_NAME), "digest": is_digest, "size": number(MAX_SECRET)},
    "blobs": {"digest": is_digest, "size": number(MAX_BLOB), "kind": lambda value: value in KINDS, "carried": lambda value: isinstance(value, bool)},
    "base holdings": {"kind": lambda value: value == "holdings", "site": is_dns_label, "counter": number(2**53), "digest": is_digest},
    "base bundle": {"kind": lambda value: value == "bundle", "site": is_dns_label, "id": is_digest, "digest": is_digest},
}
HEADER: dict[str, Check] = {
    "format": lambda value: value in _manifest.FORMATS and not isinstance(value, (bool, float)),
    "kind": lambda value: value == _manifest.KIND,
    "id": is_digest,
    "created": matches(_TIME),
    "site": is_dns_label,
    "sequence": lambda value: number(2**53)(value) and value > 0,
    "collection": is_text,
    "base": lambda value: value is None or isinstance(value, dict),
}
BLOBS_1 = {name: check for name, check in SHAPES["blobs"].items() if name != "carried"}  # format 1 knows complete bundles only
LISTS = ("images", "models", "releases", "packages", "files", "receipts", "blobs")
INNER = {"images": ("layers", "layers"), "models": ("files", "model files")}  # list: (its member, that member's shape)


def validate(manifest: t.Any) -> list[str]:
    """Everything that is wrong with a manifest, a line each (at most 50); empty when it may be used."""
    if not isinstance(manifest, dict):
        return ["it is not an object"]
    problems = record(manifest, {**HEADER, **dict.fromkeys(LISTS, is_list)}, "")
    if not problems:
        shapes = SHAPES if manifest["format"] > 1 else {**SHAPES, "blobs": BLOBS_1}
        problems = [problem for name in LISTS for problem in _list(manifest[name], name, shapes)]
    if not problems:
        problems = [*_based(manifest), *_dated(manifest), *_unique(manifest), *_bound(manifest), *_referenced(manifest)]
    if not problems and _manifest.identity(manifest) != manifest["id"]:
        problems = [f"id is {manifest['id']}, the contents give {_manifest.identity(manifest)}"]
    return problems[:MAX_PROBLEMS]


def record(value: t.Any, shape: t.Mapping[str, Check], where: str) -> list[str]:
    """What is missing from an object, unknown to it or wrong in it, a line each; ``where`` begins the lines."""
    if not isinstance(value, dict):
        return [f"{where or 'manifest'} is not an object"]
    where = f"{where}." if where else ""
    problems = [f"{where}{name} is missing" for name in shape if name not in value]
    problems += [f"{where}{name} is unknown to this format"[:200] for name in value if name not in shape]
    problems += [f"{where}{name} has the bad value {value[name]!r}"[:200] for name, check in shape.items() if name in value and not check(value[name])]
    return problems


def _based(manifest: dict[str, t.Any]) -> t.Iterator[str]:
    """What a bundle builds on is this site's, and only such a bundle leaves blobs out."""
    base = manifest["base"]
    if base is None:
        yield from (
            f"blob {blob['digest']} is not carried, though the bundle builds on nothing" for blob in manifest["blobs"] if not _manifest.is_carried(blob)
        )
    elif manifest["format"] == 1:
        yield "base is unknown to format 1"
    elif base.get("kind") not in ("holdings", "bundle"):
        yield f"base.kind has the bad value {base.get('kind')!r}"[:200]
    else:
        yield from record(base, SHAPES[f"base {base['kind']}"], "base")
        if base.get("site") != manifest["site"]:
            yield f"base is of site {base.get('site')!r}, the bundle for {manifest['site']}"[:200]


def _dated(manifest: dict[str, t.Any]) -> t.Iterator[str]:
    """Nothing is from after the bundle: of two releases the later one runs, and its own date is all that says so.

    Dates are compared as texts: one that is no date and sorts behind them all is refused as well.
    """
    created = manifest["created"]
    try:
        latest = (datetime.datetime.strptime(created, "%Y-%m-%dT%H:%M:%SZ") + datetime.timedelta(days=1)).isoformat() + "Z"
    except (ValueError, OverflowError):
        yield f"created has the bad value {created!r}"
        return
    for name, members in (("images", ("fetched",)), ("releases", ("downloaded", "made"))):
        for position, value in enumerate(manifest[name]):
            late = [member for member in members if (value[member] or "") > latest]
            yield from (f"{name}[{position}].{member} is {value[member]}, more than a day after the bundle was made ({created})"[:200] for member in late)


def _list(values: list[t.Any], name: str, shapes: t.Mapping[str, t.Mapping[str, Check]]) -> t.Iterator[str]:
    if len(values) > (MAX_FILES if name == "blobs" else MAX_RECORDS):
        yield f"{name} has {len(values)} entries, more than allowed"
        return
    for position, value in enumerate(values):
        where = f"{name}[{position}]"
        problems = record(value, shapes[name], where)
        yield from problems
        if name in INNER and not problems:
            member, shape = INNER[name]
            for place, inner in enumerate(value[member]):
                yield from record(inner, shapes[shape], f"{where}.{member}[{place}]")


def _unique(manifest: dict[str, t.Any]) -> t.Iterator[str]:
    """Nothing twice where one of two would have to win."""
    keys: dict[str, t.Callable[[t.Any], t.Any]] = {
        "images": lambda image: (image["repository"], image["tag"]),
        "models": lambda models: models["digest"],
        "releases": lambda release: release["selector"],
        "packages": lambda package: (package["os"], package["arch"], package["name"]),
        "files": lambda file: file["path"],
        "receipts": lambda receipt: receipt["name"],
        "blobs": lambda blob: blob["digest"],
    }
    for name, key in keys.items():
        yield from (f"{name}: {twice} twice" for twice in _twice([key(value) for value in manifest[name]]))
    for models in manifest["models"]:
        yield from (f"models {models['digest']}: file {path} twice" for path in _twice([file["path"] for file in models["files"]]))


def _twice(values: list[t.Any]) -> list[t.Any]:
    return [value for value, count in collections.Counter(values).items() if count > 1]


def _bound(manifest: dict[str, t.Any]) -> t.Iterator[str]:
    """A release belongs to an image and to sets of this bundle, and is what its id and selector say."""
    images = {(image["tag"], image["manifest"]) for image in manifest["images"]}
    sets = {entry["digest"] for entry in manifest["models"]}
    for entry in manifest["models"]:
        found = _holdings.models_digest(entry["files"])
        if found != entry["digest"]:
            yield f"models {entry['digest']}: its files give {found}"
    for release in manifest["releases"]:
        where = f"release {release['id']}"
        try:
            expected = selector_of(release["service"], release["tag"], release["resource"], release["options"])
            if release["selector"] != expected or Release.load(release).id != release["id"]:
                yield f"{where}: id or selector is not what its contents give"
        except AirgapError as exc:
            yield f"{where}: {exc}"
        if (release["license"] is None) != (release["license_size"] == 0):
            yield f"{where}: a license has bytes, and without one license_size is 0"
        if (release["tag"], release["image"]) not in images:
            yield f"{where}: its image {release['image']} is not {release['service']}:{release['tag']} of this bundle"
        for kind in ("models", "files"):
            if release[kind] is not None and release[kind] not in sets:
                yield f"{where}: its {kind} {release[kind]} are not in this bundle"
    used = {release[kind] for release in manifest["releases"] for kind in ("models", "files")}
    yield from (f"models {digest}: no release uses them" for digest in sorted(sets - used))


def _referenced(manifest: dict[str, t.Any]) -> t.Iterator[str]:
    """Everything that is referred to is listed as it is, and everything listed is referred to."""
    try:
        needed = {blob["digest"]: blob for blob in _manifest.blobs_of(manifest)}
    except AirgapError as exc:
        yield str(exc)
        return
    listed = {blob["digest"]: blob for blob in manifest["blobs"]}
    yield from (f"blob {digest} is referred to but not listed" for digest in sorted(needed.keys() - listed.keys()))
    yield from (f"blob {digest} is listed but nothing refers to it" for digest in sorted(listed.keys() - needed.keys()))
    for digest in sorted(needed.keys() & listed.keys()):
        if needed[digest] != _manifest.plain(listed[digest]):
            yield f"blob {digest} is listed with other size or kind than it is referred to"
        elif listed[digest]["size"] > LIMITS.get(listed[digest]["kind"], MAX_BLOB):
            yield f"blob {digest} is larger than a {listed[digest]['kind']} may be"
