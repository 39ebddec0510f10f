# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError, MissingError, TrustError
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import carried, delta, manifest, outbox
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.bundle import Bundles
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit


def send(folder: Path, keys: kit.Keys, site: str = kit.SITE, counter: int = 1, **changes: object) -> Path:
    held = {"site": site, "counter": counter, "bundles": {}, "images": [], "models": [], "releases": [], "packages": []}
    outbox.write(str(folder), "holdings.json", {**outbox.holdings(held), **changes}, "azure-ai-holdings", keys.site)
    return folder / "holdings.json"


def test_the_latest_holdings_of_the_site_are_the_base(tmp_path: Path, keys: kit.Keys) -> None:
    blobs = [kit.sha(b"a")]
    send(tmp_path / "in" / "monday", keys, counter=3, blobs=[*blobs, kit.sha(b"b")])
    path = send(tmp_path / "in" / "deep" / "tuesday", keys, counter=4, blobs=blobs)
    base, notes = carried.holdings(str(tmp_path / "in"), kit.SITE, keys.trust)
    assert base is not None and base.held == frozenset(blobs) and base.record["counter"] == 4 and notes == []
    assert base.record["digest"] == kit.sha(path.read_bytes())
    assert carried.holdings(str(tmp_path / "in"), "plant-8", keys.trust) == (None, [])


@pytest.mark.parametrize("names", [("a", "b"), ("b", "a")])
@pytest.mark.parametrize(
    ("sequences", "counters", "held", "counter"),
    [
        ((12, 12), (5, 5), "b", 5),  # two with one counter: neither may win by its name
        ((12, 12), (30, 2), "b", 30),  # a store that was begun anew counts from the start
        ((11, 12), (30, 2), "bc", 2),
        ((None, 1), (30, 2), "bc", 2),
    ],
)
def test_of_holdings_after_one_bundle_only_what_all_of_them_name_is_counted_on(
    tmp_path: Path, keys: kit.Keys, names: tuple[str, str], sequences: tuple[int | None, int], counters: tuple[int, int], held: str, counter: int
) -> None:
    for name, sequence, number, blobs in zip(names, sequences, counters, ("ab", "bc")):
        bundle = None if sequence is None else {"sequence": sequence, "id": kit.sha(b"%d" % sequence)}
        send(tmp_path / name, keys, counter=number, bundle=bundle, blobs=[kit.sha(blob.encode()) for blob in blobs])
    base, _notes = carried.holdings(str(tmp_path), kit.SITE, keys.trust)
    assert base is not None and base.held == {kit.sha(blob.encode()) for blob in held} and base.record["counter"] == counter


def test_what_is_not_to_be_trusted_is_passed_over_in_a_folder_and_an_error_by_name(tmp_path: Path, keys: kit.Keys) -> None:
    forged = send(tmp_path / "in", keys, site="plant-8")
    base, notes = carried.holdings(str(tmp_path / "in"), "plant-8", keys.trust)
    assert base is None and "speaks for site plant-8 but was signed by site@plant-7" in notes[0]
    with pytest.raises(TrustError, match="plant-8"):
        carried.holdings(str(forged), "plant-8", keys.trust)
    good = send(tmp_path / "good", keys)
    with pytest.raises(InputError, match="are of site plant-7, the bundle is for plant-8"):
        carried.holdings(str(good), "plant-8", keys.trust)
    good.write_text(good.read_text() + " ")
    with pytest.raises(TrustError, match="does not verify"):
        carried.holdings(str(good), kit.SITE, keys.trust)
    with pytest.raises(MissingError, match="no such file or folder"):
        carried.holdings(str(tmp_path / "nowhere"), kit.SITE, keys.trust)


@pytest.mark.parametrize(
    "change", [{"blobs": ["x"]}, {"counter": -1}, {"counter": True}, {"bundle": {}}, {"more": 1}, {"kind": "x"}, {"blobs": {}}, {"format": True}]
)
def test_holdings_are_judged_though_signed(tmp_path: Path, keys: kit.Keys, change: dict[str, object]) -> None:
    with pytest.raises(AirgapError, match=f"holdings .*{next(iter(change))}"):
        carried.document(str(send(tmp_path, keys, **change)), "holdings", keys.trust)


def test_newer_holdings_are_refused_in_words(tmp_path: Path, keys: kit.Keys) -> None:
    with pytest.raises(InputError, match="has format 2, this collection reads 1; update the collection"):
        carried.document(str(send(tmp_path, keys, format=2)), "holdings", keys.trust)


def test_a_former_bundle_is_a_base_for_its_own_site(tmp_path: Path, store: Store, keys: kit.Keys) -> None:
    folder = kit.build(store, tmp_path / "b", keys, "1.0")
    for path in (folder, folder / "bundle.json"):
        base = carried.former(str(path), kit.SITE, keys.trust, keys.builder)
        assert base.record["kind"] == "bundle" and base.held == {blob["digest"] for blob in kit.compose(store, "1.0")["blobs"]}
    with pytest.raises(InputError, match="was made for site plant-7"):
        carried.former(str(folder), "plant-8", keys.trust, keys.builder)
    (folder / "bundle.json").write_text("{}")
    with pytest.raises(TrustError):
        carried.former(str(folder), kit.SITE, keys.trust, keys.builder)


def test_a_missing_list_is_a_base_that_lacks_just_this(tmp_path: Path, store: Store, keys: kit.Keys) -> None:
    whole = kit.compose(store)
    last = delta.lean(whole, delta.on_bundle(whole))
    lost = [whole["blobs"][1]["digest"]]
    outbox.write(str(tmp_path), "missing.json", delta.missing_document(last, 7, lost), "azure-ai-holdings", keys.site)
    by_file = carried.missing(str(tmp_path / "missing.json"), whole, last, None, keys.trust)
    by_code = carried.missing(delta.code(lost), whole, last, None, keys.trust)
    assert by_file.held == by_code.held == {blob["digest"] for blob in whole["blobs"]} - set(lost)
    assert (by_file.record["counter"], by_code.record["id"]) == (7, last["id"])
    with pytest.raises(InputError, match="is of site plant-7, the bundle is for plant-8"):
        carried.missing(str(tmp_path / "missing.json"), {**whole, "site": "plant-8"}, last, None, keys.trust)
    with pytest.raises(InputError, match="the last bundle of plant-7 is not known here"):
        carried.missing(delta.code(lost), whole, None, None, keys.trust)


def test_a_code_may_be_of_an_earlier_bundle_that_is_kept(tmp_path: Path, store: Store, keys: kit.Keys) -> None:
    """The site refuses number 2 while the builder has built 3, which brought all that 2 left out."""
    bundles = Bundles(str(tmp_path / "b"), store)
    whole, old = kit.compose(store), kit.compose(store, "1.0")
    lean = manifest.identified({**delta.lean(whole, delta.on_bundle(old)), "sequence": 2})
    last = manifest.identified({**whole, "sequence": 3})
    for made in (old, lean, last):
        bundles.build(made, keys.builder)
    (tmp_path / "b" / "plant-7-9").mkdir()
    (tmp_path / "b" / "plant-7-9" / "bundle.json").write_text("{")
    (tmp_path / "b" / "plant-7-x").mkdir()
    assert [found["sequence"] for found in bundles.kept(kit.SITE)] == [3, 2, 1] and bundles.kept("plant") == []
    left = [blob["digest"] for blob in lean["blobs"] if not blob["carried"]]
    with pytest.raises(InputError, match="fits nothing that bundle plant-7-3 leaves out"):
        carried.missing(delta.code(left), whole, last, None, keys.trust)
    for known in (last, None):
        base = carried.missing(delta.code(left), whole, known, None, keys.trust, lambda: bundles.kept(kit.SITE))
        assert base.record["id"] == lean["id"] and base.held == {blob["digest"] for blob in whole["blobs"]} - set(left)


def test_wants_of_a_folder_are_read_and_bad_ones_told(tmp_path: Path, keys: kit.Keys) -> None:
    for name, site in (("a", kit.SITE), ("b", "plant-8"), ("c", kit.SITE)):
        outbox.write(str(tmp_path / name), "wants.json", outbox.wants(site, {"os": ["debian-12"]}), "azure-ai-wants", keys.site)
        os.utime(tmp_path / name / "wants.json", (ord(name), ord(name)))
    found, problems = carried.read_any(str(tmp_path), keys.trust, outbox.read_wants)
    assert [(entry["wants"]["site"], Path(entry["path"]).parent.name, entry["signer"]) for entry in found] == [(kit.SITE, "c", f"site@{kit.SITE}")]
    assert len(problems) == 1 and "plant-8" in problems[0]
