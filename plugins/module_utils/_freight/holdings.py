# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a store holds, as plain data: images, models, releases, packages; and the blobs they need.

Holdings and bundle manifests carry the same four lists, so both are walked by ``references``.
This file is private to the collection.
"""

from __future__ import annotations

import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import canonical, digest_of
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.release import age

FORMAT = 1
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
REF_NAME = "org.opencontainers.image.ref.name"

Record = dict[str, t.Any]


class Reference(t.NamedTuple):
    """One use of a blob: its digest, size in bytes, kind, and whose it is in words."""

    digest: str
    size: int
    kind: str
    owner: str


def empty() -> Record:
    """Holdings of a store that holds nothing."""
    return {"format": FORMAT, "site": None, "counter": 0, "images": [], "models": [], "releases": [], "packages": [], "bundles": {}}


def ordered(holdings: Record) -> Record:
    """The same holdings with each list in its one order."""
    return {**holdings, **{name: sorted(holdings[name], key=key) for name, key in ORDER.items()}}


ORDER: dict[str, t.Callable[[Record], t.Any]] = {
    "images": lambda image: (image["repository"], image["tag"], image["manifest"]),
    "models": lambda models: models["digest"],
    "releases": lambda release: (release["selector"], release["id"]),
    "packages": lambda package: (package["os"], package["name"], package["version"]),
}


def find_image(holdings: Record, repository: str, tag: str) -> Record | None:
    """The record fetched last under that tag of the repository, or None. (One service's versions may share a tag and differ in repository.)"""
    found = [image for image in holdings["images"] if (image["repository"], image["tag"]) == (repository, tag)]
    return max(found, key=lambda image: (image["fetched"], image["manifest"]), default=None)


def repositories(holdings: Record, service: str, tag: str) -> list[str]:
    """The repositories in which a service's images of that tag were found, sorted."""
    return sorted({image["repository"] for image in holdings["images"] if (image["service"], image["tag"]) == (service, tag)})


def find_release(holdings: Record, selector: str, image: str | None = None, release_id: str | None = None) -> Record | None:
    """The release bound last for the selector, of the manifest digest ``image`` and of that id if given, or None."""
    held = [release for release in holdings["releases"] if release["selector"] == selector]
    found = [release for release in held if image in (None, release["image"]) and release_id in (None, release["id"])]
    return max(found, key=age, default=None)


def find_models(holdings: Record, digest: str) -> Record | None:
    """The set of models or declared files of that digest, or None."""
    return next((models for models in holdings["models"] if models["digest"] == digest), None)


def add_image(holdings: Record, image: Record) -> None:
    """Take in an image record; the same digest under the same tag replaces its older record."""
    _replace(holdings["images"], image, ("repository", "tag", "manifest"))


def add_models(holdings: Record, models: Record) -> None:
    """Take in a set of models or declared files."""
    _replace(holdings["models"], models, ("digest",))


def add_release(holdings: Record, release: Record) -> None:
    """Take in a release: ``Release.dump()`` with ``license_size`` (0 without license)."""
    _replace(holdings["releases"], release, ("selector", "id"))


def set_packages(holdings: Record, system: str, packages: t.Iterable[Record]) -> None:
    """Make ``packages`` the whole set of the operating system ``system``."""
    holdings["packages"] = [package for package in holdings["packages"] if package["os"] != system] + list(packages)


def merge(holdings: Record, manifest: Record) -> None:
    """Take in what a bundle manifest carries; a system that it has packages for gets exactly these."""
    for image in manifest["images"]:
        add_image(holdings, image)
    for models in manifest["models"]:
        add_models(holdings, models)
    for release in manifest["releases"]:
        add_release(holdings, release)
    for system in sorted({package["os"] for package in manifest["packages"]}):
        set_packages(holdings, system, [package for package in manifest["packages"] if package["os"] == system])


def lacking(holdings: Record, has: t.Callable[[str], bool], good: t.Collection[str] = (), bad: t.Collection[str] = ()) -> list[str]:
    """Digests that the holdings name and that are not there, or were found damaged and have not come again since; sorted.

    :param good: digests that were read just now
    :param bad: digests that were found damaged just now
    """
    known = {*holdings.get("lacking", ()), *bad}
    named = {reference.digest for reference in references(holdings)}
    return sorted(digest for digest in named if digest not in good and (digest in known or not has(digest)))


def mark(holdings: Record, digests: t.Sequence[str]) -> None:
    """Note which blobs are lacking; the member is there only when some are."""
    holdings.pop("lacking", None)
    if digests:
        holdings["lacking"] = list(digests)


def models_digest(files: t.Sequence[t.Mapping[str, t.Any]]) -> str:
    """The digest of a set of models or declared files: of its list of files, sorted by path."""
    return str(digest_of(sorted((dict(file) for file in files), key=lambda file: file["path"])))


def references(lists: t.Mapping[str, t.Any]) -> t.Iterator[Reference]:
    """Every use of a blob in holdings or a bundle manifest."""
    for image in lists["images"]:
        name = f"image {image['service']}:{image['tag']}"
        yield Reference(image["manifest"], image["manifest_size"], "manifest", f"manifest of {name}")
        yield Reference(image["config"], image["config_size"], "config", f"config of {name}")
        for number, layer in enumerate(image["layers"], 1):
            yield Reference(layer["digest"], layer["size"], "layer", f"layer {number} of {name}")
    for release in lists["releases"]:
        name = f"{release['service']}:{release['tag']} of resource {release['resource']}"
        if release["license"] is not None:
            yield Reference(release["license"], release["license_size"], "license", f"license of {name}")
    for models in lists["models"]:
        for file in models["files"]:
            yield Reference(file["digest"], file["size"], "model", f"model file {file['path']} of {models['digest'][:19]}")
    for package in lists["packages"]:
        yield Reference(package["digest"], package["size"], "package", f"package {package['name']} {package['version']} of {package['os']}")
    for kind in ("files", "receipts"):
        for file in lists.get(kind, ()):
            yield Reference(file["digest"], file["size"], kind[:-1], f"{kind[:-1]} {file.get('path') or file.get('name')}")


def owners(lists: t.Mapping[str, t.Any]) -> dict[str, str]:
    """Whose each blob is, by digest, in words."""
    result: dict[str, list[str]] = {}
    for reference in references(lists):
        result.setdefault(reference.digest, []).append(reference.owner)
    return {digest: names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "") for digest, names in result.items()}


def index(images: t.Sequence[Record]) -> Record:
    """The OCI image index of the images; where a tag has moved, only the image fetched last bears its name."""
    newest: dict[str, Record] = {}
    for image in images:
        name = f"{image['repository']}:{image['tag']}"
        held = newest.get(name)
        if held is None or (image["fetched"], image["manifest"]) > (held["fetched"], held["manifest"]):
            newest[name] = image
    entries: dict[bytes, Record] = {}
    for image in images:
        name = f"{image['repository']}:{image['tag']}"
        system, _slash, architecture = image["platform"].partition("/")
        entry: Record = {
            "mediaType": image["media_type"],
            "digest": image["manifest"],
            "size": image["manifest_size"],
            "platform": {"os": system, "architecture": architecture},
        }
        if newest[name] is image:
            entry["annotations"] = {REF_NAME: name}
        entries[canonical(entry)] = entry
    return {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [entries[key] for key in sorted(entries)]}


def _replace(records: list[Record], record: Record, key: tuple[str, ...]) -> None:
    identity = [record[name] for name in key]
    records[:] = [other for other in records if [other[name] for name in key] != identity] + [record]
