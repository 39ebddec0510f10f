# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images from a registry into the store, by digest: what is there is not fetched again.

This file is private to the collection.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import typing as t
from dataclasses import dataclass, field

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError, IntegrityError, MissingError, Problems
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import holdings as _holdings
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import registry, room
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store

Record = dict[str, t.Any]
_STAY = "or stay with the one that it is locked to with keep_locked (bundle_keep_locked of the playbook)"
_HEX = re.compile(r"[0-9a-f]{64}")


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
    """What one image needs: its record, the original bytes and the layers that the store lacks.

    :param note: what there is to say about it
    """

    record: Record
    manifest: bytes = b""
    config: bytes = b""
    missing: list[Record] = field(default_factory=list)
    known: bool = False
    note: str = ""


def plan(
    store: Store,
    source: Source,
    host: str,
    wanted: Record,
    now: str,
    accept_moved: bool,
    lock: t.Mapping[str, str] | None = None,
    keep_locked: bool = False,
) -> Plan:
    """Look up ``wanted`` ({service, repository, tag}) at the registry ``host`` and in the store.

    :param lock: digests by ``<repository>:<tag>`` that tags are held to
    :param keep_locked: take the image of that digest and do not ask for the tag at all; where the store has it whole, ask for nothing
    :raises InputError: the tag has moved to another digest since it was fetched; MissingError: the registry has it no more.
    """
    service, repository, tag = wanted["service"], wanted["repository"], wanted["tag"]
    what = f"image {service}:{tag}"
    held = _holdings.find_image(store.holdings(), repository, tag)
    before = (lock or {}).get(f"{repository}:{tag}") or (held["manifest"] if held else "")
    if keep_locked and before:
        return _locked(store, source, host, wanted, now, before)
    try:
        manifest = _of_tag(source, host, repository, tag, what)
    except MissingError as exc:
        raise MissingError(exc.what, exc.problem, f"{exc.way_out}, {_STAY}") if before else exc from None
    digest = Digest.of(manifest)
    if before not in ("", str(digest)) and not accept_moved:
        raise InputError(
            what,
            f"the tag has moved from {before} to {digest}",
            f"licenses made for the old image will not do for the new one; take it with accept_moved (bundle_accept_moved of the playbook), {_STAY}",
        )
    if held and held["manifest"] == str(digest) and _whole(store, held):
        return Plan({**held, "service": service}, known=True)  # services may share an image; each is answered by its own name
    config = source.config(registry.reference(host, repository, str(digest)))
    record = registry.image_record(service, repository, tag, manifest, config, now)
    return Plan(record, manifest, config, _missing(store, record))


def _of_tag(source: Source, host: str, repository: str, tag: str, what: str) -> bytes:
    """The manifest for our platform that lies under a tag."""
    manifest = source.manifest(registry.reference(host, repository, tag))
    media_type, value = registry.document(manifest, what)
    if media_type in registry.INDEXES:
        chosen = registry.pick_platform(value, what)
        manifest = _of_digest(source, host, repository, str(chosen.digest), what)
    return manifest


def _of_digest(source: Source, host: str, repository: str, digest: str, what: str) -> bytes:
    manifest = source.manifest(registry.reference(host, repository, digest))
    if str(Digest.of(manifest)) != digest:
        raise IntegrityError(what, f"the registry gave {Digest.of(manifest)} for {digest}", "run again")
    return manifest


def _locked(store: Store, source: Source, host: str, wanted: Record, now: str, digest: str) -> Plan:
    """The image that the tag is locked to: as the store has it, else by its digest."""
    service, repository, tag = wanted["service"], wanted["repository"], wanted["tag"]
    what, held = f"image {service}:{tag}", store.holdings()
    note = f"{service}:{tag} stays with {digest}, which it is locked to; "
    for record in held["images"]:
        if (record["repository"], record["tag"], record["manifest"]) == (repository, tag, digest) and _whole(store, record):
            note += "the store has it, and the registry was not asked"
            if _holdings.find_image(held, repository, tag) == record:
                return Plan({**record, "service": service}, known=True, note=note)
            manifest, config = store.read(Digest.parse(digest), registry.MAX_MANIFEST), store.read(Digest.parse(record["config"]), registry.MAX_CONFIG)
            return Plan({**record, "service": service, "fetched": now}, manifest, config, note=note)  # the last one fetched is what the tag stands for
    try:
        manifest = _of_digest(source, host, repository, digest, what)
        config = source.config(registry.reference(host, repository, digest))
    except MissingError as exc:
        advice = "do without keep_locked and take what the tag names now with accept_moved, or bring the old image from another builder's store"
        raise MissingError(what, f"neither the registry nor the store has {digest}, which the tag is locked to, whole", advice) from exc
    record = registry.image_record(service, repository, tag, manifest, config, now)
    return Plan(record, manifest, config, _missing(store, record), note=note + "the tag was not asked for")


def plan_all(
    store: Store,
    source: Source,
    host: str,
    wanted: t.Sequence[Record],
    now: str,
    accept_moved: bool,
    lock: t.Mapping[str, str] | None = None,
    keep_locked: bool = False,
) -> list[Plan]:
    """Look up all images before the first is fetched.

    :raises Problems: those that cannot be had, a line each; one alone is raised as it is.
    """
    plans, errors = [], []
    for image in wanted:
        try:
            plans.append(plan(store, source, host, image, now, accept_moved, lock, keep_locked))
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
    """Fetch what ``todo`` lacks and remember the image. Interrupted, it goes on with the layers that are whole, whichever image they were for."""
    record = todo.record
    what = f"image {record['service']}:{record['tag']}"
    with store.working("images") as folder:
        layout, blobs = os.path.join(folder, "layout"), os.path.join(folder, "blobs")
        shutil.rmtree(layout, ignore_errors=True)
        _rescue(store, os.path.join(blobs, "sha256"))
        missing = _missing(store, record)  # another image may have brought some since
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


def _rescue(store: Store, folder: str) -> None:
    """Take in what a run that was cut off had fetched whole: this one's image may not need it, and its folder is removed."""
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
        path = os.path.join(folder, name)
        if _HEX.fullmatch(name) and os.path.isfile(path) and not os.path.islink(path):
            digest, size = Digest(name), os.path.getsize(path)
            if not store.has(digest, size):
                with contextlib.suppress(IntegrityError):  # then it is none of ours, and removed
                    store.adopt(path, digest, size)


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
