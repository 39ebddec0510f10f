# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of every format that ever crossed, as they were written: they are read for ever. Nothing writes them anew."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.signature import Trust
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import carried, delta, manifest, outbox, receive, verify
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit

GOLDEN = Path(__file__).parent / "golden"
SCHEMA = json.loads((Path(__file__).resolve().parents[5] / "docs" / "bundle.schema.json").read_text())


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


def test_the_format_before_is_still_written(tmp_path: Path, store: Store, keys: kit.Keys) -> None:
    old = manifest.in_format(kit.compose(store), 1)
    jsonschema.validate(old, SCHEMA)
    assert set(old) == set(json.loads((GOLDEN / "format-1" / "bundle.json").read_bytes()))
    assert manifest.same_contents(old, kit.compose(store)) and manifest.in_format(old, 1) is old
