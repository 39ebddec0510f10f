# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a store need not keep any more, and which of its blobs are damaged.

This file is private to the collection.
"""

from __future__ import annotations

import contextlib
import glob
import os
import re
import stat
import typing as t
from dataclasses import dataclass

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import MAX_BYTES, parse
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest, copy_hashing, digest_file
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.files import read_regular
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import control
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import holdings as _holdings
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.part import is_part
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import ASIDE, BLOBS, Store

Record = dict[str, t.Any]
_BUNDLE = re.compile(r"(?P<site>[a-z0-9-]+)-(?P<sequence>[0-9]+)")
_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Keep:
    """What is needed.

    :param releases: ids of the releases that hosts have, current, previous or staged
    :param images: manifest digests that bundles name
    :param blobs: digests that are needed whatever the holdings say, of kits and of bundles
    :param fresh: digests that came a short while ago; what uses one of them stays whole
    """

    releases: frozenset[str] = frozenset()
    images: frozenset[str] = frozenset()
    blobs: frozenset[str] = frozenset()
    fresh: frozenset[str] = frozenset()


class Superfluous(t.NamedTuple):
    """The holdings without what is superfluous, that in words, and the digests that the rest needs."""

    holdings: Record
    lines: list[str]
    needed: frozenset[str]


def superfluous(holdings: Record, keep: Keep) -> Superfluous:
    """Part the holdings; packages stay, they are replaced as a set. Neither argument is changed."""
    releases = [release for release in holdings["releases"] if release["id"] in keep.releases or _uses(keep.fresh, "releases", release)]
    images = {release["image"] for release in releases} | keep.images
    sets = {release[kind] for release in releases for kind in ("models", "files")}
    after = {
        **holdings,
        "releases": releases,
        "images": [image for image in holdings["images"] if image["manifest"] in images | keep.fresh],
        "models": [models for models in holdings["models"] if models["digest"] in sets or _uses(keep.fresh, "models", models)],
    }
    gone = {name: [record for record in holdings[name] if record not in after[name]] for name in ("releases", "images", "models")}
    lines = [f"release {release['id']} of {release['service']}:{release['tag']} for {release['resource']}" for release in gone["releases"]]
    lines += [f"image {image['service']}:{image['tag']} {image['manifest'][:19]}" for image in gone["images"]]
    lines += [f"models {models['digest'][:19]} ({len(models['files'])} files)" for models in gone["models"]]
    return Superfluous(after, sorted(lines), frozenset(reference.digest for reference in _holdings.references(after)) | keep.blobs)


def of_bundles(manifests: t.Iterable[Record]) -> Keep:
    """What the bundles of these manifests need."""
    manifests = list(manifests)
    images = frozenset(image["manifest"] for manifest in manifests for image in manifest["images"])
    releases = frozenset(release["id"] for manifest in manifests for release in manifest["releases"])
    return Keep(releases, images, frozenset(blob["digest"] for manifest in manifests for blob in manifest["blobs"]))


def newest(store: Store, bundles: str | None, count: int) -> list[Record]:
    """The manifests of the last ``count`` bundles of each site, received here or built in the folder ``bundles``.

    :raises InputError: one of them cannot be read; nothing may be judged superfluous without it.
    """
    paths = glob.glob(os.path.join(glob.escape(store.path), "received", "*.json"))
    paths += glob.glob(os.path.join(glob.escape(bundles), "*", "bundle.json")) if bundles else []
    found: dict[str, list[tuple[int, str]]] = {}
    for path in paths:
        stem = os.path.basename(path)[:-5] if os.path.basename(path) != "bundle.json" else os.path.basename(os.path.dirname(path))
        match = _BUNDLE.fullmatch(stem)
        if match and not is_part(os.path.dirname(path)):  # a part is named like a bundle of a site of its own
            found.setdefault(match["site"], []).append((int(match["sequence"]), path))
    return [_manifest(path) for entries in found.values() for _sequence, path in sorted(entries)[-count:]]


def of_kits(bundles: str) -> frozenset[str]:
    """Digests of the files of the control kits in a folder."""
    kits = [control.read(os.path.join(bundles, name)) for name in (os.listdir(bundles) if os.path.isdir(bundles) else ()) if name.startswith("control-")]
    return frozenset(entry["digest"] for kit in kits if kit for entry in kit["files"])


def blobs(store: Store) -> dict[str, tuple[int, float]]:
    """(bytes, when it came in seconds since the epoch) of every blob of the store, by digest."""
    found = {}
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(os.path.join(store.path, BLOBS)) as entries:
        for entry in entries:
            info = entry.stat(follow_symlinks=False)
            if _HEX.fullmatch(entry.name) and stat.S_ISREG(info.st_mode):
                # A package bears its archive's time, so what counts is when the file got its name here.
                found[f"sha256:{entry.name}"] = (info.st_size, max(info.st_ctime, info.st_mtime))
    return found


def remove(store: Store, digests: t.Iterable[str]) -> None:
    """Remove blobs; one that is gone already is none the worse."""
    for digest in digests:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(store.path_of(Digest.parse(digest)))


def damaged(store: Store, holdings: Record, advance: t.Callable[[int], object] | None = None) -> list[tuple[str, str]]:
    """(digest, whose it is) of the blobs that are there and are not what their names say; all that the holdings name are read."""
    sizes = {reference.digest: reference.size for reference in _holdings.references(holdings)}
    whose = _holdings.owners(holdings)
    found = []
    for digest in sorted(sizes):
        with contextlib.suppress(AirgapError), store.open(Digest.parse(digest)) as stream:
            if copy_hashing(stream, None, None, advance) != (Digest.parse(digest), sizes[digest]):
                found.append((digest, whose[digest]))
    return found


def aside(store: Store, needed: t.Collection[str]) -> list[str]:
    """Names in ``damaged/`` that are of no use any more: the blob is good again, or nothing needs it."""
    with contextlib.suppress(FileNotFoundError):
        names = sorted(os.listdir(os.path.join(store.path, ASIDE)))
        return [name for name in names if _HEX.fullmatch(name) and (f"sha256:{name}" not in needed or _good(store, Digest.parse(f"sha256:{name}")))]
    return []


def idle(store: Store, before: float) -> t.Iterator[str]:
    """Work folders in which nothing has changed since ``before`` (seconds since the epoch), locked while the caller has their names."""
    try:
        names = sorted(os.listdir(os.path.join(store.path, "work")))
    except FileNotFoundError:
        return
    for name in names:
        if os.path.isdir(os.path.join(store.path, "work", name)):
            with contextlib.suppress(InputError), store.locked(os.path.join("work", f"{name}.lock"), wait=False):  # else a run is at work in it
                if _newest(os.path.join(store.path, "work", name)) < before:
                    yield name


def _newest(folder: str) -> float:
    """When something in the folder changed last. A linked layer bears its archive's time, so the time of the link counts as well."""
    found = os.lstat(folder).st_mtime
    for path, folders, names in os.walk(folder):
        infos = [os.lstat(os.path.join(path, name)) for name in (*folders, *names)]
        found = max([found, *(max(info.st_mtime, info.st_ctime) for info in infos)])
    return found


def _good(store: Store, digest: Digest) -> bool:
    return store.has(digest) and digest_file(store.path_of(digest))[0] == digest


def _uses(digests: frozenset[str], kind: str, record: Record) -> bool:
    lists: Record = {"images": [], "models": [], "releases": [], "packages": [], kind: [record]}
    return any(reference.digest in digests for reference in _holdings.references(lists))


def _manifest(path: str) -> Record:
    value = parse(read_regular(path, MAX_BYTES), path)
    if not isinstance(value, dict) or not all(isinstance(value.get(name), list) for name in ("images", "releases", "blobs")):
        raise InputError(path, "not the manifest of a bundle", "remove that folder or copy it again")
    return value
