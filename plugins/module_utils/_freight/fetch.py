# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images from a registry into the store, by digest: what is there is not fetched again.

This file is private to the collection.
"""

from __future__ import annotations

import os
import re
import shutil
import typing as t
from dataclasses import dataclass, field

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError, IntegrityError, Problems
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import holdings as _holdings
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import registry, room
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store

Record = dict[str, t.Any]


class Source(t.Protocol):
    """Where images come from; skopeo in earnest."""

    def manifest(self, reference: str) -> bytes:
        """Original bytes under a tag or digest."""

    def config(self, reference: str) -> bytes:
        """Original bytes of the config."""

    def copy(self, reference: str, layout: str, blobs: str, advance: t.Callable[[int], object] | None = None) -> None:
        """Layers into ``blobs``/sha256."""


@dataclass
class Plan:
    """What one image needs: its record, the original bytes and the layers that the store lacks."""

    record: Record
    manifest: bytes = b""
    config: bytes = b""
    missing: list[Record] = field(default_factory=list)
    known: bool = False


def plan(store: Store, source: Source, host: str, wanted: Record, now: str, accept_moved: bool, lock: t.Mapping[str, str] | None = None) -> Plan:
    """Look up ``wanted`` ({service, repository, tag}) at the registry ``host`` and in the store.

    :param lock: digests by ``<repository>:<tag>`` that tags are held to
    :raises InputError: the tag has moved to another digest since it was fetched.
    """
    service, repository, tag = wanted["service"], wanted["repository"], wanted["tag"]
    what = f"image {service}:{tag}"
    manifest = source.manifest(registry.reference(host, repository, tag))
    media_type, value = registry.document(manifest, what)
    if media_type in registry.INDEXES:
        chosen = registry.pick_platform(value, what)
        manifest = source.manifest(registry.reference(host, repository, str(chosen.digest)))
        if Digest.of(manifest) != chosen.digest:
            raise IntegrityError(what, f"the registry gave {Digest.of(manifest)} for {chosen.digest}", "run again")
    digest = Digest.of(manifest)
    held = _holdings.find_image(store.holdings(), repository, tag)
    before = (lock or {}).get(f"{repository}:{tag}") or (held["manifest"] if held else str(digest))
    if before != str(digest) and not accept_moved:
        raise InputError(
            what,
            f"the tag has moved from {before} to {digest}",
            "licenses made for the old image will not do for the new one; take it with accept_moved (bundle_accept_moved of the playbook)",
        )
    if held and held["manifest"] == str(digest) and _whole(store, held):
        return Plan({**held, "service": service}, known=True)  # services may share an image; each is answered by its own name
    config = source.config(registry.reference(host, repository, str(digest)))
    record = registry.image_record(service, repository, tag, manifest, config, now)
    return Plan(record, manifest, config, _missing(store, record))


def plan_all(
    store: Store, source: Source, host: str, wanted: t.Sequence[Record], now: str, accept_moved: bool, lock: t.Mapping[str, str] | None = None
) -> list[Plan]:
    """Look up all images before the first is fetched.

    :raises Problems: those that cannot be had, a line each; one alone is raised as it is.
    """
    plans, errors = [], []
    for image in wanted:
        try:
            plans.append(plan(store, source, host, image, now, accept_moved, lock))
        except AirgapError as exc:
            errors.append(exc)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise Problems(f"images of {host}", [str(error) for error in errors])
    return plans


def newer(tags: t.Iterable[str], tag: str) -> list[str]:
    """Tags of the same flavour with a higher version, highest first: ``5.0-amd64-en-us`` for ``4.9.0-amd64-en-us``."""
    version, flavour = _version(tag)
    found = {other: _version(other) for other in tags}
    return sorted(
        (other for other, (number, kind) in found.items() if version and number > version and kind == flavour), key=lambda other: found[other], reverse=True
    )


def _version(tag: str) -> tuple[tuple[int, ...], str]:
    match = re.match(r"v?([0-9]+(?:\.[0-9]+)+)(.*)", tag)
    return (tuple(map(int, match[1].split("."))), match[2]) if match else ((), tag)


def total(plans: t.Sequence[Plan]) -> int:
    """Bytes to be fetched for all of them; a layer that several need is fetched once."""
    layers = {layer["digest"]: layer["size"] for plan in plans for layer in plan.missing}
    return sum(layers.values()) + sum(len(plan.manifest) + len(plan.config) for plan in plans)


def prepare(store: Store, plans: t.Sequence[Plan]) -> None:
    """Make the store if there is none, remove what a killed run left, and see that all that is due has room.

    :raises InputError: it has not; needed and free bytes are named.
    """
    store.create().sweep()
    room.check(f"store {store.path}", store.path, total(plans))


def carry_out(store: Store, source: Source, host: str, todo: Plan, advance: t.Callable[[int], object] | None = None) -> None:
    """Fetch what ``todo`` lacks and remember the image. Interrupted, it goes on with the layers that are whole."""
    record = todo.record
    what = f"image {record['service']}:{record['tag']}"
    missing = _missing(store, record)  # another image may have brought some since
    with store.working("images") as folder:
        layout, blobs = os.path.join(folder, "layout"), os.path.join(folder, "blobs")
        shutil.rmtree(layout, ignore_errors=True)
        if missing:
            os.makedirs(os.path.join(blobs, "sha256"), exist_ok=True)
            _lend(store, record, missing, blobs)
            source.copy(registry.reference(host, record["repository"], record["manifest"]), layout, blobs, advance)
            _adopt(store, missing, blobs, what)
        for path in (layout, blobs):
            if os.path.exists(path):
                shutil.rmtree(path)
    store.put_bytes(todo.config, Digest.parse(record["config"]), what=what)
    store.put_bytes(todo.manifest, Digest.parse(record["manifest"]), what=what)
    with store.changing() as held:
        _holdings.add_image(held, record)


def _lend(store: Store, record: Record, missing: list[Record], blobs: str) -> None:
    """Link the layers that the store has into skopeo's folder: skopeo leaves out what lies there."""
    lacking = {layer["digest"] for layer in missing}
    for layer in record["layers"]:
        digest = Digest.parse(layer["digest"])
        target = os.path.join(blobs, "sha256", digest.hex)
        if layer["digest"] in lacking or os.path.exists(target):
            continue
        try:
            os.link(store.path_of(digest), target)
        except OSError:  # no hard links on this file system: the layer comes once more, nothing else differs
            continue


def _adopt(store: Store, missing: list[Record], blobs: str, what: str) -> None:
    for layer in missing:
        digest = Digest.parse(layer["digest"])
        path = os.path.join(blobs, "sha256", digest.hex)
        if not os.path.isfile(path):
            raise IntegrityError(what, f"skopeo did not bring layer {digest}", "run again")
        store.adopt(path, digest, layer["size"], what=f"layer of {what}")


def _missing(store: Store, record: Record) -> list[Record]:
    layers = {layer["digest"]: layer for layer in record["layers"] if not store.has(Digest.parse(layer["digest"]), layer["size"])}
    return list(layers.values())


def _whole(store: Store, record: Record) -> bool:
    lists = {"images": [record], "models": [], "releases": [], "packages": []}
    return all(store.has(Digest.parse(reference.digest), reference.size) for reference in _holdings.references(lists))
