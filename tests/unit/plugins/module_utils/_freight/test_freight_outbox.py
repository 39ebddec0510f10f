# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, Problems, TrustError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.signature import sign_file
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import outbox
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit

GIVEN = {"containers": kit.selectors("2.0", "1.0", "1.0"), "os": ["debian-13", "debian-12"], "control": {"os": "debian-12", "python": "3.11", "arch": "amd64"}}
WANTS = ("wants.json", outbox.wants(kit.SITE, GIVEN), "azure-ai-wants")


def test_order_and_repetition_do_not_matter() -> None:
    again = outbox.wants(kit.SITE, {**GIVEN, "containers": kit.selectors("1.0", "2.0"), "os": ["debian-12", "debian-13", "debian-13"]})
    assert again == WANTS[1] and [entry["tag"] for entry in again["containers"]] == ["1.0", "2.0"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"hosts": ["10.0.0.1"]}, "hosts may not leave the site"),
        ({"control": {"address": "10.0.0.1"}}, "control.address is unknown"),
        ({"containers": [{**kit.selectors("1.0")[0], "host": "h1"}]}, "host is unknown"),
        ({"containers": [{"service": "x"}]}, "tag is missing"),
        ({"os": ["Debian 12"]}, "os has the bad value"),
    ],
)
def test_what_may_not_leave_or_is_wrong_is_refused(change: dict, problem: str) -> None:
    with pytest.raises(Problems, match=problem):
        outbox.wants(kit.SITE, {**GIVEN, **change})


def test_a_document_is_written_once(tmp_path: Path, keys: kit.Keys) -> None:
    folder = str(tmp_path / "outbox")
    assert "not there" in str(outbox.reason(folder, *WANTS, keys.site))
    outbox.write(folder, *WANTS, keys.site)
    assert outbox.reason(folder, *WANTS, keys.site) is None
    assert sorted(path.name for path in Path(folder).iterdir()) == ["wants.json", "wants.json.sig"]
    assert "not signed by" in str(outbox.reason(folder, *WANTS, keys.builder))
    (Path(folder) / "wants.json.sig").write_text("half")
    assert "not signed by" in str(outbox.reason(folder, *WANTS, keys.site))
    (Path(folder) / "wants.json").write_text("{}")
    assert "has changed" in str(outbox.reason(folder, *WANTS, keys.site))


def test_wants_come_back_verified(tmp_path: Path, keys: kit.Keys) -> None:
    outbox.write(str(tmp_path), *WANTS, keys.site)
    assert outbox.read_wants(str(tmp_path / "wants.json"), keys.trust) == (WANTS[1], f"site@{kit.SITE}")
    text = (tmp_path / "wants.json").read_text()
    (tmp_path / "wants.json").write_text(text.replace("2.0", "3.0"))
    with pytest.raises(TrustError, match="does not verify"):
        outbox.read_wants(str(tmp_path / "wants.json"), keys.trust)


def test_a_site_speaks_for_itself_only(tmp_path: Path, keys: kit.Keys) -> None:
    outbox.write(str(tmp_path), "wants.json", {**WANTS[1], "site": "plant-8"}, "azure-ai-wants", keys.site)
    with pytest.raises(TrustError, match="speaks for site plant-8 but was signed by site@plant-7"):
        outbox.read_wants(str(tmp_path / "wants.json"), keys.trust)


def test_signed_nonsense_is_refused(tmp_path: Path, keys: kit.Keys) -> None:
    (tmp_path / "wants.json").write_text('{"format": 1}')
    sign_file(str(tmp_path / "wants.json"), keys.site, "azure-ai-wants")
    with pytest.raises(Problems, match="site is missing"):
        outbox.read_wants(str(tmp_path / "wants.json"), keys.trust)


def test_packages_make_format_2_and_a_later_one_is_refused_in_words(tmp_path: Path, keys: kit.Keys) -> None:
    told = [{"os": "debian-12", "arch": "amd64", "all": {"rsync": "3"}, "each": []}]
    document = outbox.wants(kit.SITE, {**GIVEN, "packages": told})
    assert (document["format"], WANTS[1]["format"]) == (2, 1) and "packages" not in outbox.wants(kit.SITE, {**GIVEN, "packages": []})
    outbox.write(str(tmp_path), "wants.json", document, "azure-ai-wants", keys.site)
    assert outbox.read_wants(str(tmp_path / "wants.json"), keys.trust)[0]["packages"] == told
    assert outbox.wants_problems({**document, "format": 1}) == ["packages is unknown to this format"]
    outbox.write(str(tmp_path), "wants.json", {**document, "format": 3}, "azure-ai-wants", keys.site)
    with pytest.raises(InputError, match="has format 3, this collection reads 2 and earlier; update the collection on the builder"):
        outbox.read_wants(str(tmp_path / "wants.json"), keys.trust)


def test_holdings_tell_digests_and_nothing_else(store: Store) -> None:
    held = {**store.holdings(), "site": kit.SITE}
    document = outbox.holdings(held)
    assert set(document) == {"format", "kind", "site", "counter", "bundle", "blobs"}
    assert document["blobs"] == sorted(f"sha256:{name}" for name in kit.blobs(store.path))
    assert document["counter"] == held["counter"] and "speech" not in json.dumps(document)
