# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import control, sbom
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit

DIGESTS = [f"sha256:{number:064x}" for number in range(4)]


def control_kit() -> dict:
    files = [
        {"kind": kind, "name": name, "version": "1.0", "filename": file, "digest": digest, "size": 1, "requested": True}
        for (kind, name, file), digest in zip(
            [
                ("wheel", "MarkupSafe", "markupsafe-1.0-py3-none-any.whl"),
                ("package", "rsync", "rsync_1.0_amd64.deb"),
                ("collection", "a.b", "a-b-1.0.tar.gz"),
                ("installer", "install", "install.py"),
            ],
            DIGESTS,
        )
    ]
    return control.manifest(control.Target("debian-12", "3.11", "amd64"), "1.0.0", {"digest": DIGESTS[0], "size": 1}, files, kit.NOW)


def test_the_list_is_valid_and_names_everything(store: Store) -> None:
    manifest = kit.compose(store)
    data = sbom.document(manifest, control_kit())
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(data.decode()) is None
    components = json.loads(data)["components"]
    purls = {component["purl"].partition("@")[0] for component in components if "purl" in component}
    assert purls == {"pkg:oci/speech-to-text", "pkg:deb/debian/docker.io", "pkg:deb/debian/rsync", "pkg:pypi/markupsafe"}
    listed = {f"sha256:{entry['content']}" for component in components for entry in component.get("hashes", [])}
    kinds = ("manifest", "license", "model", "package")
    assert listed == {blob["digest"] for blob in manifest["blobs"] if blob["kind"] in kinds} | set(DIGESTS)


def test_every_name_is_listed_though_bytes_are_the_same(store: Store) -> None:
    kit.add_release(store, kit.add_image(store, "3.0"), {"en/model.bin": b"m" * 5000, "en/again.bin": b"m" * 5000, "empty": b"", "nothing": b""})
    made = control_kit()
    wheel = next(entry for entry in made["files"] if entry["kind"] == "wheel")
    made["files"] += [{**wheel, "name": "Jinja2", "filename": "jinja2-1.0-py3-none-any.whl"}]
    manifest = kit.compose(store, "1.0", "2.0", "3.0")
    data = sbom.document(manifest, made)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(data.decode()) is None
    components = json.loads(data)["components"]
    references = [component["bom-ref"] for component in components]
    assert len(set(references)) == len(references)
    named = {(component["name"], component["hashes"][0]["content"]) for component in components if component.get("hashes")}
    files = {(file["path"], file["digest"][7:]) for models in manifest["models"] for file in models["files"]}
    assert files <= named and {("Jinja2", wheel["digest"][7:]), ("MarkupSafe", wheel["digest"][7:])} <= named
    assert sbom.document(manifest, made) == data


def test_images_bear_their_digest(store: Store) -> None:
    manifest = kit.compose(store)
    (image,) = [component for component in json.loads(sbom.document(manifest))["components"] if component.get("version") == "1.0"]
    record = next(image for image in manifest["images"] if image["tag"] == "1.0")
    assert record["manifest"].replace(":", "%3A") in image["purl"] or record["manifest"] in image["purl"]
    assert image["hashes"] == [{"alg": "SHA-256", "content": record["manifest"][7:]}]


def test_the_same_bundle_gives_the_same_bytes_and_another_one_another_serial(store: Store) -> None:
    manifest = kit.compose(store)
    first = sbom.document(manifest)
    assert sbom.document(kit.compose(store)) == first
    serials = {json.loads(data)["serialNumber"] for data in (first, sbom.document(manifest, control_kit()), sbom.document(kit.compose(store, "1.0")))}
    assert len(serials) == 3


def test_no_content_is_in_it(store: Store) -> None:
    data = sbom.document(kit.compose(store))
    assert b"ANSIBLE_VAULT" not in data and b"30313233" not in data
