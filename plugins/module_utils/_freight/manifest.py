# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bundle's manifest: composed from holdings, the same bytes for the same inputs.

The normative description is docs/bundle-format.md. This file is private to the collection.
"""

from __future__ import annotations

import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import digest_of, pretty
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError, MissingError, Problems
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.release import Release
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.release import selector as selector_of
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import holdings as _holdings

FORMAT = 2
FORMATS = (1, 2)  # that are read, and written for sites that read no later one
KIND = "airgap.azure_ai/bundle"
FETCH = "run airgap.azure_ai.bundle on the builder to fetch it"

Record = dict[str, t.Any]


def compose(
    holdings: Record,
    selectors: t.Sequence[Record],
    systems: t.Sequence[str],
    site: str,
    collection: str,
    sequence: int = 1,
    created: str = "",
    receipts: t.Sequence[Record] = (),
    chosen: t.Mapping[str, t.Sequence[Record]] | None = None,
    held: t.Collection[str] = frozenset(),
    others: t.Collection[str] = frozenset(),
) -> Record:
    """Make the manifest of what ``site`` needs, out of what the store holds.

    :param selectors: the site's containers as {service, tag, resource, options} and, if wished, the image's ``repository`` (needed where a
        service's versions share a tag) and the id of the ``release``; two alike count once
    :param systems: operating systems whose packages go along, e.g. ``debian-12``
    :param receipts: {name, digest, size} of files that the store has as blobs
    :param chosen: package records by system, where what the site's hosts have is known: these go in place of the store's whole set
    :param held: digests of blobs that the site's store has; packages of the store's set that are among them stay, as they cost nothing
    :param others: names of packages that the store has for other sites; they go along, as the set is one, and hosts of this site do not install them
    :raises MissingError: an image, a license for it, models, declared files or packages are not in the store
        (Problems when there are several): each line names service and tag and what to run.
    """
    images: dict[tuple[str, ...], Record] = {}
    releases: dict[tuple[str, ...], Record] = {}
    models: dict[str, Record] = {}
    packages: list[Record] = []
    problems: list[AirgapError] = []
    for wanted in selectors:
        try:
            image, release, sets = _chosen(holdings, wanted)
        except MissingError as exc:
            problems.append(exc)
            continue
        images[(image["repository"], image["tag"])] = image
        releases[(release["selector"], release["id"])] = release
        models.update({files["digest"]: files for files in sets})
    for system in sorted(set(systems)):
        found = [package for package in holdings["packages"] if package["os"] == system]
        if chosen is not None and system in chosen:
            names = {package["name"] for package in chosen[system]}
            found = [*chosen[system], *(package for package in found if package["digest"] in held and package["name"] not in names)]
        elif not found:
            problems.append(MissingError(f"packages of {system}", "none in the store", FETCH))
        packages += [{**package, "requested": package["requested"] and package["name"] not in others} for package in found]
    _raise(problems, f"bundle for {site}")
    lists = {
        "images": list(images.values()),
        "models": list(models.values()),
        "releases": list(releases.values()),
        "packages": packages,
        "files": [],
        "receipts": sorted(receipts, key=lambda receipt: receipt["name"]),
    }
    return finished({**_holdings.ordered(lists), "site": site, "sequence": sequence, "created": created, "collection": collection})


def finished(lists: Record) -> Record:
    """Add the constant members, the list of blobs and the id."""
    blobs = [{**blob, "carried": True} for blob in blobs_of(lists)]
    return identified({"format": FORMAT, "kind": KIND, "base": None, **lists, "blobs": blobs})


def identified(manifest: Record) -> Record:
    """The manifest with the id that its other members give."""
    return {**manifest, "id": identity(manifest)}


def in_format(manifest: Record, number: int) -> Record:
    """The same bundle in an earlier format, for a site that reads no later one.

    :raises InputError: no such format, or one that cannot say it: format 1 knows complete bundles only.
    """
    if number == manifest["format"]:
        return manifest
    if number not in FORMATS:
        raise InputError(f"bundle format {number}", "unknown", "choose one of " + ", ".join(map(str, FORMATS)))
    if manifest["base"] is not None:
        raise InputError(f"bundle format {number}", "cannot leave out what a site holds", "build a complete bundle for this site: without holdings")
    return identified({**manifest, "format": number, "blobs": [plain(blob) for blob in manifest["blobs"]]})


def plain(blob: t.Mapping[str, t.Any]) -> Record:
    """A blob's entry without what tells whether it lies in the bundle."""
    return {name: value for name, value in blob.items() if name != "carried"}


def is_carried(blob: t.Mapping[str, t.Any]) -> bool:
    """Whether the blob lies in the bundle (format 1: always) and not in the site's store only."""
    return bool(blob.get("carried", True))


def identity(manifest: Record) -> str:
    """The bundle's id: the digest of its canonical form without ``id`` and ``created``."""
    return str(digest_of({key: value for key, value in manifest.items() if key not in ("id", "created")}))


def same_contents(one: Record, other: Record) -> bool:
    """Whether two manifests bring a site to the same state, by whatever format, base and number."""
    return identity(_state(one)) == identity(_state(other))


def _state(manifest: Record) -> Record:
    return {key: value for key, value in manifest.items() if key not in ("format", "base", "sequence", "blobs")}


def blobs_of(lists: t.Mapping[str, t.Any]) -> list[Record]:
    """Every blob that the lists refer to, once, by digest: {digest, size, kind}."""
    blobs: dict[str, Record] = {}
    for reference in _holdings.references(lists):
        blob = {"digest": reference.digest, "size": reference.size, "kind": reference.kind}
        held = blobs.setdefault(reference.digest, blob)
        if held["size"] != blob["size"]:
            raise InputError(f"blob {reference.digest}", f"has two sizes, {held['size']} and {blob['size']} bytes ({reference.owner})")
        if "license" in (held["kind"], blob["kind"]):  # the stricter kind decides how it is kept
            held["kind"] = "license"
    return [blobs[digest] for digest in sorted(blobs)]


def encoded(manifest: Record) -> bytes:
    """The bytes of ``bundle.json``."""
    return pretty(manifest)


def index_bytes(manifest: Record) -> bytes:
    """The bytes of ``index.json``, which follow from the manifest."""
    return pretty(_holdings.index(manifest["images"]))


def contents(manifest: Record) -> list[str]:
    """What is in it, a line each, for people and for diffs."""
    lines = [f"image {image['service']}:{image['tag']} {image['manifest']}" for image in manifest["images"]]
    lines += [f"release {release['id']} {release['selector']} expires {release['expires'] or 'unknown'}" for release in manifest["releases"]]
    lines += [f"models {models['digest']} ({len(models['files'])} files)" for models in manifest["models"]]
    lines += [f"package {package['os']} {package['name']} {package['version']}" for package in manifest["packages"]]
    lines += [f"receipt {receipt['name']} {receipt['digest']}" for receipt in manifest["receipts"]]
    return lines


def summary(manifest: Record) -> Record:
    """Identity, counts and bytes (of the blobs)."""
    return {
        "id": manifest["id"],
        "site": manifest["site"],
        "sequence": manifest["sequence"],
        "created": manifest["created"],
        "collection": manifest["collection"],
        "images": [f"{image['service']}:{image['tag']}" for image in manifest["images"]],
        "releases": len(manifest["releases"]),
        "models": len(manifest["models"]),
        "packages": len(manifest["packages"]),
        "receipts": len(manifest["receipts"]),
        "blobs": len(manifest["blobs"]),
        "bytes": sum(blob["size"] for blob in manifest["blobs"]),
        "carried": sum(is_carried(blob) for blob in manifest["blobs"]),
        "carried_bytes": sum(blob["size"] for blob in manifest["blobs"] if is_carried(blob)),
    }


def _chosen(holdings: Record, wanted: Record) -> tuple[Record, Record, list[Record]]:
    """Image, release and the sets of models and declared files of one selector."""
    service, tag, resource = wanted["service"], wanted["tag"], wanted["resource"]
    what = f"{service}:{tag} of resource {resource}"
    image = _holdings.find_image(holdings, _repository(holdings, wanted), tag)
    if image is None:
        raise MissingError(f"image {service}:{tag}", "not in the store", FETCH)
    name = selector_of(service, tag, resource, wanted.get("options") or {})
    release = _holdings.find_release(holdings, name, image["manifest"], wanted.get("release"))
    if release is None:
        other = _holdings.find_release(holdings, name)
        if other is not None:
            problem = f"its license was made for {other['image']}, the tag is now {image['manifest']}"
            raise MissingError(what, problem, "run airgap.azure_ai.bundle on the builder to download a license for this image")
        raise MissingError(what, "no license for it in the store", "run airgap.azure_ai.bundle on the builder to download it")
    # A store of an earlier version may lack members that have a default.
    release = {**Release.load(release).dump(), "license_size": release["license_size"]}
    sets = {kind: release[kind] for kind in ("models", "files") if release[kind] is not None}
    found = {kind: _holdings.find_models(holdings, digest) for kind, digest in sets.items()}
    for kind in [kind for kind in sets if found[kind] is None]:
        raise MissingError(what, f"its {kind} {sets[kind]} are not in the store", FETCH)
    return image, release, [files for files in found.values() if files is not None]


def _repository(holdings: Record, wanted: Record) -> str:
    if wanted.get("repository"):
        return str(wanted["repository"])
    found = _holdings.repositories(holdings, wanted["service"], wanted["tag"])
    if len(found) > 1:
        raise MissingError(f"image {wanted['service']}:{wanted['tag']}", f"found in {' and '.join(found)}", "name the repository in the selector")
    return found[0] if found else ""


def _raise(problems: list[AirgapError], what: str) -> None:
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise Problems(what, list(dict.fromkeys(str(problem) for problem in problems)))


def digests(manifest: Record) -> t.Iterator[tuple[Digest, int, str]]:
    """(digest, size, kind) of each blob, largest first: the long ones are begun early."""
    for blob in sorted(manifest["blobs"], key=lambda blob: (-blob["size"], blob["digest"])):
        yield Digest.parse(blob["digest"]), blob["size"], blob["kind"]


def carried(manifest: Record) -> t.Iterator[tuple[Digest, int, str]]:
    """The same of the blobs that lie in the bundle's folder."""
    return digests({"blobs": [blob for blob in manifest["blobs"] if is_carried(blob)]})
