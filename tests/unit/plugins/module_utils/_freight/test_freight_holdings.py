# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a store holds: who wins when a thing comes twice, and whose each blob is."""

from __future__ import annotations

import itertools
import typing as t

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import holdings
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit


def image(tag: str, manifest: str, fetched: str = kit.NOW, **more: t.Any) -> dict[str, t.Any]:
    base = {"service": "s", "repository": "r/x", "tag": tag, "manifest": manifest, "media_type": "m", "manifest_size": 1, "platform": "linux/amd64"}
    return {**base, "fetched": fetched, **more}


def release(name: str, downloaded: str | None, made_for: str = "a", selector: str = "sel") -> dict[str, t.Any]:
    return {"id": name, "selector": selector, "image": made_for, "downloaded": downloaded}


def test_the_image_fetched_last_wins_whatever_the_order() -> None:
    records = [image("1", "a", "2026-01-01T00:00:00Z"), image("1", "b", "2026-02-01T00:00:00Z"), image("2", "c", "2026-03-01T00:00:00Z")]
    for order in itertools.permutations(records):
        held = holdings.empty()
        for record in order:
            holdings.add_image(held, record)
        found = holdings.find_image(held, "r/x", "1")
        assert found is not None and found["manifest"] == "b"
    assert holdings.find_image(holdings.empty(), "r/x", "1") is None


def test_what_is_lacking_stays_so_until_it_was_read_or_nothing_names_it(store: Store) -> None:
    held = store.holdings()
    named = sorted({reference.digest for reference in holdings.references(held)})
    assert holdings.lacking(held, lambda _digest: True) == [] and holdings.lacking(held, lambda _digest: False) == named
    holdings.mark(held, holdings.lacking(held, lambda digest: digest != named[0], bad=[named[1], kit.sha(b"nobody's")]))
    assert held["lacking"] == named[:2]  # the one that is gone, and one that lies there damaged
    assert holdings.lacking(held, lambda _digest: True) == named[:2] and holdings.lacking(held, lambda _digest: True, good=named[:1]) == named[1:2]
    holdings.mark(held, [])
    assert "lacking" not in held


def test_the_same_digest_under_a_tag_replaces_its_older_record() -> None:
    held = holdings.empty()
    for fetched in ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"):
        holdings.add_image(held, image("1", "a", fetched))
    assert [record["fetched"] for record in held["images"]] == ["2026-02-01T00:00:00Z"]


@pytest.mark.parametrize(
    ("made_for", "release_id", "expected"),
    [(None, None, "new"), ("a", None, "old"), ("b", None, "new"), ("c", None, None), (None, "old", "old"), ("b", "old", None), (None, "unknown", None)],
)
def test_a_release_is_found_by_image_and_id(made_for: str | None, release_id: str | None, expected: str | None) -> None:
    held = holdings.empty()
    for record in (
        release("new", "2026-02-01", "b"),
        release("old", "2026-01-01"),
        release("other", "2027-01-01", selector="another"),
        release("undated", None),
    ):
        holdings.add_release(held, record)
    found = holdings.find_release(held, "sel", made_for, release_id)
    assert (found and found["id"]) == expected


def test_a_bundle_replaces_the_packages_of_its_systems_only() -> None:
    held = holdings.empty()
    for system in ("debian-12", "debian-13"):
        holdings.set_packages(held, system, [{"os": system, "name": "old", "version": "1"}])
    news = {"images": [], "models": [], "releases": [], "packages": [{"os": "debian-12", "name": "new", "version": "1"}]}
    holdings.merge(held, news)
    holdings.merge(held, {**news, "packages": []})
    assert sorted((package["os"], package["name"]) for package in held["packages"]) == [("debian-12", "new"), ("debian-13", "old")]


def test_merging_a_manifest_gives_holdings_that_make_it_again(store: Store) -> None:
    made = kit.compose(store)
    held = holdings.empty()
    for _time in range(2):
        holdings.merge(held, made)
    assert holdings.ordered({**store.holdings(), "counter": 0}) == holdings.ordered(held)


def test_the_order_of_its_files_does_not_change_a_model_set() -> None:
    files = [{"path": path, "digest": f"sha256:{path * 64}", "size": 1} for path in "abc"]
    assert {holdings.models_digest(order) for order in itertools.permutations(files)} == {holdings.models_digest(files)}
    assert holdings.models_digest(files[:2]) != holdings.models_digest(files)


def test_every_blob_of_the_store_has_an_owner(store: Store) -> None:
    held = store.holdings()
    owners = holdings.owners(held)
    assert {Digest.parse(digest).hex for digest in owners} == set(kit.blobs(store.path))
    shared = [name for name in owners.values() if name.startswith("layer 1 of image") and name.endswith("and 1 more")]
    assert len(shared) == 1, "both images of the kit have the same base"


def test_the_index_names_the_image_fetched_last_and_lists_all() -> None:
    records = [image("1", "b", "2026-02-01T00:00:00Z"), image("1", "a", "2026-01-01T00:00:00Z"), image("2", "a", "2026-01-01T00:00:00Z")]
    for order in itertools.permutations(records):
        entries = holdings.index(order)["manifests"]
        names = {entry["digest"]: entry["annotations"][holdings.REF_NAME] for entry in entries if "annotations" in entry}
        assert names == {"a": "r/x:2", "b": "r/x:1"}
        assert [entry["digest"] for entry in entries if "annotations" not in entry] == ["a"]
    assert entries[0]["platform"] == {"os": "linux", "architecture": "amd64"}
