# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A CycloneDX list of what a bundle and a control kit hold, by cyclonedx-python-lib: names and digests, never contents.

This file is private to the collection.
"""

from __future__ import annotations

import calendar
import collections
import datetime
import json
import time
import typing as t
import uuid

try:
    from cyclonedx.model import HashAlgorithm, HashType, Property
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output.json import JsonV1Dot6
    from packageurl import PackageURL

    HAS_CYCLONEDX = True
except ImportError:
    HAS_CYCLONEDX = False

Record = dict[str, t.Any]
LIBRARY = "cyclonedx-python-lib"


def document(manifest: Record, kit: Record | None = None) -> bytes:
    """The list as JSON of CycloneDX 1.6; the same bytes for the same bundle and kit.

    :param manifest: of a bundle
    :param kit: manifest of a control kit that goes along, or None
    """
    components = [*images(manifest), *packages(manifest["packages"]), *data(manifest)]
    components += kit_components(kit) if kit else []
    name = f"{manifest['site']}-{manifest['sequence']}"
    whole = Component(name=name, version=manifest["id"], type=ComponentType.DATA, bom_ref=manifest["id"], description="bundle of airgap.azure_ai")
    created = datetime.datetime.fromtimestamp(calendar.timegm(time.strptime(manifest["created"], "%Y-%m-%dT%H:%M:%SZ")), datetime.timezone.utc)
    bom = Bom(
        components=_named(components),
        serial_number=uuid.uuid5(uuid.NAMESPACE_OID, " ".join([manifest["id"], kit["id"] if kit else ""]).strip()),
        metadata=BomMetaData(component=whole, timestamp=created),
    )
    bom.register_dependency(whole, bom.components)
    # Parsed and written again: the order of members is ours, not that of a library's version.
    return json.dumps(json.loads(JsonV1Dot6(bom).output_as_string()), indent=1, sort_keys=True).encode() + b"\n"


def _named(components: t.Iterable[t.Any]) -> list[t.Any]:
    """Each name once, however often it is used; where names share their bytes, the references bear the names too."""
    found = {_identity(component): component for component in components}
    names = collections.Counter(identity[0] for identity in found)
    for identity, component in found.items():
        if names[identity[0]] > 1:
            component.bom_ref.value = "#".join(filter(None, identity))
    return list(found.values())


def _identity(component: t.Any) -> tuple[str, ...]:
    return str(component.bom_ref.value), component.name, component.version or "", str(component.purl or "")


def images(manifest: Record) -> list[t.Any]:
    """Images by the digest of their manifest."""
    found = []
    for image in manifest["images"]:
        qualifiers = {"arch": image["platform"].rpartition("/")[2], "repository_url": image["repository"], "tag": image["tag"]}
        purl = PackageURL("oci", name=image["repository"].rpartition("/")[2], version=image["manifest"], qualifiers=qualifiers)
        found.append(_component(ComponentType.CONTAINER, image["repository"], image["tag"], image["manifest"], purl, service=image["service"]))
    return found


def packages(entries: t.Iterable[Record], system: str = "") -> list[t.Any]:
    """Packages of a Debian release."""
    found = []
    for entry in entries:
        distro = entry.get("os", system)
        arch = entry["filename"].rpartition("_")[2].partition(".")[0]
        purl = PackageURL("deb", "debian", entry["name"], entry["version"], qualifiers={"arch": arch, "distro": distro})
        found.append(_component(ComponentType.LIBRARY, entry["name"], entry["version"], entry["digest"], purl))
    return found


def data(manifest: Record) -> list[t.Any]:
    """Licenses (their ciphertext), sets of models and declared files, receipts: as data, by digest."""
    found = []
    for release in manifest["releases"]:
        if release["license"] is not None:
            name = f"license of {release['service']}:{release['tag']} for {release['resource']}"
            found.append(_component(ComponentType.DATA, name, release["id"], release["license"], expires=release["expires"] or "unknown"))
    for models in manifest["models"]:
        name = f"models ({len(models['files'])} files)"
        found.append(Component(name=name, type=ComponentType.DATA, version=models["digest"], bom_ref=f"models-{models['digest']}"))
        found += [_component(ComponentType.DATA, file["path"], "", file["digest"]) for file in models["files"]]
    found += [_component(ComponentType.DATA, receipt["name"], "", receipt["digest"]) for receipt in manifest["receipts"]]
    return found


def kit_components(kit: Record) -> list[t.Any]:
    """Wheels, collections and packages of a control kit."""
    of_kind: dict[str, list[Record]] = {}
    for entry in kit["files"]:
        of_kind.setdefault(entry["kind"], []).append(entry)
    found = packages(of_kind.get("package", []), kit["target"]["os"])
    for entry in of_kind.get("wheel", []):
        purl = PackageURL("pypi", name=entry["name"].lower().replace("_", "-"), version=entry["version"], qualifiers={"file_name": entry["filename"]})
        found.append(_component(ComponentType.LIBRARY, entry["name"], entry["version"], entry["digest"], purl))
    for kind in ("collection", "installer"):
        found += [_component(ComponentType.APPLICATION, entry["name"], entry["version"], entry["digest"]) for entry in of_kind.get(kind, [])]
    return found


def _component(kind: t.Any, name: str, version: str, digest: str, purl: t.Any = None, **properties: str) -> t.Any:
    return Component(
        name=name,
        type=kind,
        version=version or None,
        bom_ref=digest,
        purl=purl,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest.partition(":")[2])],
        properties=[Property(name=f"airgap.azure_ai:{key}", value=value) for key, value in sorted(properties.items())],
    )
