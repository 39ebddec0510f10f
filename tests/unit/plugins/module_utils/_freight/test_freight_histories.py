# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever happens to bundles, stores and holdings on their way: a site ends with what a complete bundle brings, or is told what lacks."""

from __future__ import annotations

import os
import shutil
import typing as t
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import carried, delta, manifest, outbox, receive
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import holdings as records
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.bundle import Bundles
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.delta import LackingError
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit

TAGS = ("1.0", "2.0", "3.0")
STEPS = st.one_of(
    st.tuples(st.just("send"), st.sets(st.sampled_from(TAGS), min_size=1), st.sampled_from(["nothing", "holdings", "old holdings", "bundle"])),
    st.tuples(st.just("lose"), st.integers(0, 30), st.sampled_from(["gone", "damaged"])),
    st.tuples(st.just("tell"), st.integers(0, 99), st.none()),
)


class Site:
    """A builder, a site and what passes between them."""

    def __init__(self, folder: Path, keys: kit.Keys) -> None:
        self.builder = kit.fill(folder / "builder")
        kit.add_release(self.builder, kit.add_image(self.builder, "3.0"), {"en/model.bin": b"m" * 5000, "other": b"x"})
        self.store, self.keys = Store(str(folder / "site")), keys
        self.bundles = Bundles(str(folder / "bundles"), self.builder)
        self.told: list[Path] = []
        self.outboxes = folder / "outboxes"
        self.folders: list[str] = []
        self.unsaid: set[str] = set()  # lost since the site told what it holds, or without its notice

    def send(self, tags: t.Iterable[str], kind: str) -> None:
        base = None
        if kind == "bundle" and self.folders:
            base = delta.on_bundle(t.cast(dict[str, t.Any], self.bundles.last(kit.SITE)))
        elif "holdings" in kind and self.told:
            base = self.base(self.told[0] if kind.startswith("old") else self.outboxes)
        self.take(self.build(tags, base), sorted(tags), kind == "holdings")

    def base(self, path: Path) -> delta.Base:
        found, notes = carried.holdings(str(path), kit.SITE, self.keys.trust)
        assert found is not None and notes == []
        return found

    def build(self, tags: t.Iterable[str], base: delta.Base | None) -> str:
        made = delta.lean(kit.compose(self.builder, *sorted(tags), sequence=len(self.folders) + 1), base)
        self.folders.append(self.bundles.build(made, self.keys.builder))
        return self.folders[-1]

    def take(self, folder: str, tags: list[str], told: bool) -> None:
        """Take the bundle in; where it builds on what is lost, be told exactly that, and send just this.

        :param told: built on all that the site has told, so that only what it never told may be lacking
        """
        before = snapshot(self.store)
        try:
            receive.take(receive.judge(folder, self.store, kit.SITE, self.keys.trust), self.store, kit.SITE)
        except LackingError as exc:
            last = t.cast(dict[str, t.Any], self.bundles.last(kit.SITE))
            left = {blob["digest"] for blob in last["blobs"] if not blob["carried"]}
            bad = {digest for digest in left if self._bad(digest)}
            assert not told or bad <= self.unsaid
            assert snapshot(self.store) == before and set(exc.document["blobs"]) == bad and delta.code(bad) in str(exc)
            rescue = self.build(tags, delta.for_missing(last["base"], kit.compose(self.builder, *tags), last, exc.document["blobs"]))
            brought = {blob["digest"] for blob in t.cast(dict[str, t.Any], self.bundles.last(kit.SITE))["blobs"] if blob["carried"]}
            assert brought == bad
            receive.take(receive.judge(folder, self.store, kit.SITE, self.keys.trust, beside=[rescue]), self.store, kit.SITE)
        self.holds_all(tags)

    def _bad(self, digest: str) -> bool:
        path = Path(self.store.path, "blobs", "sha256", digest[7:])
        return not path.exists() or kit.sha(path.read_bytes()) != digest

    def holds_all(self, tags: list[str]) -> None:
        """What a complete bundle of these tags brings is there, byte for byte, and the holdings say so."""
        whole = kit.compose(self.builder, *tags)
        assert [blob["digest"] for blob in whole["blobs"] if self._bad(blob["digest"])] == []
        held = self.store.holdings()
        for name in ("images", "models", "releases", "packages"):
            assert all(entry in held[name] for entry in whole[name])

    def lose(self, number: int, how: str) -> None:
        folder = Path(self.store.path, "blobs", "sha256")
        names = sorted(os.listdir(folder)) if folder.is_dir() else []
        if names:
            path = folder / names[number % len(names)]
            data = path.read_bytes()
            path.unlink()
            self.unsaid.add(f"sha256:{path.name}")
            if how == "damaged":
                path.write_bytes(bytes(byte ^ 1 for byte in data))

    def tell(self, folder: int) -> None:
        """What a site sends out, into a folder whose name says nothing about the order."""
        held = self.store.note_lacking()
        if held["site"]:
            here = self.outboxes / f"{folder:02}-{len(self.told)}"
            outbox.write(str(here), "holdings.json", outbox.holdings(held), "azure-ai-holdings", self.keys.site)
            self.told.append(here / "holdings.json")
            self.unsaid = {digest for digest in self.unsaid if self.store.has(Digest.parse(digest))}
            named = {reference.digest for reference in records.references(held)}
            assert self.base(self.told[-1]).held == {digest for digest in named if self.store.has(Digest.parse(digest))}


def snapshot(store: Store) -> dict[str, bytes]:
    if not os.path.isdir(store.path):
        return {}
    return {str(path): path.read_bytes() for path in Path(store.path).rglob("*") if path.is_file() and path.name != "lock"}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=int(os.environ.get("AZURE_AI_HISTORIES", "30")))
@given(steps=st.lists(STEPS, min_size=2, max_size=7))
def test_a_site_ends_with_a_complete_bundles_store_or_is_told(tmp_path_factory: pytest.TempPathFactory, keys: kit.Keys, steps: list[t.Any]) -> None:
    folder = tmp_path_factory.mktemp("history")
    site = Site(folder, keys)
    for name, first, second in steps:
        if name == "send":
            site.send(first, second)
        elif name == "lose":
            site.lose(first, second)
        else:
            site.tell(first)
    site.send(TAGS, "holdings")
    expected = {blob["digest"][7:] for blob in kit.compose(site.builder, *TAGS)["blobs"]}
    assert expected <= set(os.listdir(Path(site.store.path, "blobs", "sha256")))
    shutil.rmtree(folder)


def test_a_delta_brings_what_a_complete_bundle_brings(tmp_path: Path, keys: kit.Keys) -> None:
    site = Site(tmp_path, keys)
    site.send(["1.0"], "nothing")
    site.tell(1)
    site.send(["1.0", "2.0"], "holdings")
    last = t.cast(dict[str, t.Any], site.bundles.last(kit.SITE))
    summary = manifest.summary(last)
    assert len(os.listdir(Path(site.folders[-1], "blobs", "sha256"))) == summary["carried"] < summary["blobs"]


def test_a_new_store_is_told_everything_that_was_left_out(tmp_path: Path, keys: kit.Keys) -> None:
    site = Site(tmp_path, keys)
    site.send(["1.0"], "nothing")
    site.tell(1)
    base = site.base(site.outboxes)
    shutil.rmtree(site.store.path)
    with pytest.raises(LackingError) as caught:
        receive.judge(site.build(["1.0", "2.0"], base), site.store, kit.SITE, keys.trust)
    assert set(caught.value.document["blobs"]) == base.held and not os.path.exists(site.store.path)
