# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of every format that ever crossed, as they were written: they are read for ever. Nothing writes them anew.

That they are what the pages say is held in test_freight_stock_tools.py.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import jsonschema
import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import pretty
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.signature import Trust, sign_file
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import carried, control, delta, kits, manifest, outbox, parts, receive, states, verify
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import media_kit

GOLDEN = Path(__file__).parent / "golden"
DOCS = Path(__file__).resolve().parents[5] / "docs"
SCHEMA = json.loads((DOCS / "bundle.schema.json").read_text())


@pytest.fixture
def trust() -> Trust:
    return Trust(str(GOLDEN / "signers"))


@pytest.mark.parametrize("number", [1, 2])
def test_bundles_of_each_format_are_whole_and_fit_the_schema(trust: Trust, number: int) -> None:
    found, signer, problems = verify.verify(str(GOLDEN / f"format-{number}"), trust)
    assert (problems, signer) == ([], "builder@hq") and found is not None and found["format"] == number
    jsonschema.validate(found, SCHEMA)
    assert manifest.encoded(found) == (GOLDEN / f"format-{number}" / "bundle.json").read_bytes()
    assert any("carried" in blob for blob in found["blobs"]) is (number > 1)
    for wrong in ({**found, "format": 3 - number}, {**found, "format": 3}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, SCHEMA)


def test_a_site_takes_them_one_after_the_other(tmp_path: Path, trust: Trust) -> None:
    site = Store(str(tmp_path / "site"))
    for number in (1, 2):
        receive.take(receive.judge(str(GOLDEN / f"format-{number}"), site, kit.SITE, trust), site, kit.SITE)
    held = site.holdings()
    assert held["bundles"][kit.SITE]["sequence"] == 2 and [image["tag"] for image in held["images"]] == ["1.0", "2.0"]


def test_without_the_first_the_second_names_what_it_builds_on(tmp_path: Path, trust: Trust) -> None:
    with pytest.raises(delta.LackingError, match="builds on 6 blobs"):
        receive.judge(str(GOLDEN / "format-2"), Store(str(tmp_path / "site")), kit.SITE, trust)


def test_what_came_out_of_the_site_is_read(trust: Trust) -> None:
    base, notes = carried.holdings(str(GOLDEN), kit.SITE, trust)
    made = json.loads((GOLDEN / "format-2" / "bundle.json").read_bytes())
    assert base is not None and notes == [] and base.record == made["base"]
    assert base.held == {blob["digest"] for blob in made["blobs"] if not blob["carried"]}
    missing, _data = carried.document(str(GOLDEN / "outbox" / "missing.json"), "missing", trust)
    assert missing["code"] == delta.code(missing["blobs"]) and len(missing["blobs"]) == 2
    wants, signer = outbox.read_wants(str(GOLDEN / "outbox" / "wants.json"), trust)
    assert wants["containers"] == kit.selectors("1.0", "2.0") and signer == f"site@{kit.SITE}"


def test_wants_of_each_format_are_read_and_fit_the_schema(trust: Trust) -> None:
    schema = json.loads((DOCS / "wants.schema.json").read_text())
    for folder, signers in (("outbox", trust), ("outbox-2", Trust(str(GOLDEN / "outbox-2" / "signers")))):
        wants, _signer = outbox.read_wants(str(GOLDEN / folder / "wants.json"), signers)
        jsonschema.validate(wants, schema)
        assert outbox.wants(wants["site"], {name: wants[name] for name in ("containers", "os", "control", "packages") if name in wants}) == wants
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**wants, "format": 3 - wants["format"]}, schema)
    told = {entry["os"]: states.kinds(entry) for entry in wants["packages"]}
    assert [sorted(kind) for kind in told["debian-12"]] == [
        ["docker.io", "libc6", "libsystemd0", "python3", "rsync", "systemd"],
        ["libc6", "libsystemd0", "python3", "rsync"],
    ]
    assert told["debian-13"] == [{"libstdc++6": "14.2.0-19", "login": "1:4.16.0-2+really2.41-5"}]


def test_media_are_collected_in_any_order_and_make_a_bundle_with_two_signatures(tmp_path: Path) -> None:
    folders = sorted((GOLDEN / "media").glob("plant-7-3-part-*"))
    schema = json.loads((DOCS / "parts.schema.json").read_text())
    listed = json.loads((folders[0] / "parts.json").read_bytes())
    jsonschema.validate(listed, schema)
    assert parts.encoded(listed) == (folders[0] / "parts.json").read_bytes()
    for number, folder in enumerate(folders, 1):
        said = (folder / "part.json").read_bytes()
        jsonschema.validate(json.loads(said), {**schema["$defs"]["part_json"], "$defs": schema["$defs"]})
        assert folder.name == parts.folder(listed, number) and said == parts.part_bytes(listed, number)
    keys = kit.Keys("", "", str(GOLDEN / "media" / "signers"))
    (tmp_path / "inbox").mkdir()
    gathered = [media_kit.gather(tmp_path / "inbox", keys, folders[number]) for number in (2, 0, 1)]
    assert [found.problems for found in gathered] == [[]] * 3 and gathered[-1].reports[0]["complete"]
    both = Trust(keys.signers, signatures=2)
    assert verify.verify(gathered[-1].reports[0]["path"], both)[1:] == ("builder@hq, officer@hq", [])
    site = Store(str(tmp_path / "site"))
    receive.take(receive.judge(gathered[-1].reports[0]["path"], site, kit.SITE, both), site, kit.SITE)
    assert site.holdings()["bundles"][kit.SITE]["sequence"] == 3
    assert (tmp_path / "site/received/plant-7-3/receipt.json").read_bytes() == b'{"acknowledged": 4}\n'


def test_a_control_kit_is_known_as_what_would_be_made_of_its_files(tmp_path: Path) -> None:
    found = control.read(str(GOLDEN / "control"))
    assert found is not None
    target = control.Target(**found["target"])
    assert found == control.manifest(target, found["collection"], found["install"], found["files"], found["created"])
    shutil.copytree(GOLDEN / "control", tmp_path / "control-debian-12-amd64")
    kits = control.Kits(str(tmp_path), Store(str(tmp_path / "store")))
    assert "is not signed by" in str(kits.reason(found, target, str(GOLDEN / "control/install.sh"))), "nothing but its key is wrong with it"


def test_the_kit_is_judged_as_a_site_does() -> None:
    found = kits.look(str(GOLDEN / "control"), Trust(str(GOLDEN / "media" / "signers")))
    assert (found.problem, found.signer) == ("", "builder@hq") and found.record == control.read(str(GOLDEN / "control"))
    assert kits.blob_problems(str(GOLDEN / "control"), found) == []


@pytest.mark.parametrize("name", ["control/control.json", "outbox/holdings.json", "outbox/missing.json"])
def test_documents_fit_their_schemas_and_altered_ones_fit_neither_schema_nor_reader(tmp_path: Path, keys: kit.Keys, name: str) -> None:
    kind, value = Path(name).stem, json.loads((GOLDEN / name).read_bytes())
    schema = json.loads((DOCS / f"{kind}.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)

    def problem(document: dict) -> str:
        """What the reader says of it, signed as it should be."""
        if kind != "control":
            outbox.write(str(tmp_path), f"{kind}.json", document, "azure-ai-holdings", keys.site)
            try:
                return "" if carried.document(str(tmp_path / f"{kind}.json"), kind, keys.trust) else "?"
            except AirgapError as exc:
                return str(exc)
        shutil.copytree(GOLDEN / "control", tmp_path / "kit", dirs_exist_ok=True)
        (tmp_path / "kit" / "control.json").write_bytes(pretty(document))
        sign_file(str(tmp_path / "kit" / "control.json"), keys.builder, control.NAMESPACE)
        return kits.look(str(tmp_path / "kit"), keys.trust).problem

    jsonschema.validate(value, schema)
    assert problem(value) == ""
    wrong = [{**value, "more": 1}, {**value, "kind": "x"}, {**value, "format": 2}, *({key: value[key] for key in value if key != gone} for gone in value)]
    lists = "files" if kind == "control" else "blobs"
    wrong += [{**value, lists: [*value[lists], bad]} for bad in ("x", {}, None)] + [{**value, lists: {}}]
    for document in wrong:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(document, schema)
        assert problem(document) != "", document


def test_the_format_before_is_still_written(tmp_path: Path, store: Store, keys: kit.Keys) -> None:
    old = manifest.in_format(kit.compose(store), 1)
    jsonschema.validate(old, SCHEMA)
    assert set(old) == set(json.loads((GOLDEN / "format-1" / "bundle.json").read_bytes()))
    assert manifest.same_contents(old, kit.compose(store)) and manifest.in_format(old, 1) is old
