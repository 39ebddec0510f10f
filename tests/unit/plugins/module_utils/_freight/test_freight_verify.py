# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import pretty
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, Problems, TrustError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.signature import sign_file
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import manifest, medium, receive, verify
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit


def problems(bundle: Path, keys: kit.Keys, full: bool = True) -> list[str]:
    return verify.verify(str(bundle), keys.trust, full)[2]


def test_a_good_bundle_has_no_problem(bundle: Path, keys: kit.Keys) -> None:
    seen = []
    made, signer, found = verify.verify(str(bundle), keys.trust, True, seen.append)
    assert found == [] and signer == "builder@hq" and made
    assert sum(seen) == sum(blob["size"] for blob in made["blobs"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(data=st.data())
def test_any_changed_byte_is_found(bundle: Path, keys: kit.Keys, data: st.DataObject) -> None:
    files = sorted(path for path in bundle.rglob("*") if path.is_file() and path.suffix != ".sig" and path.stat().st_size)
    path = data.draw(st.sampled_from(files))
    before = path.read_bytes()
    place = data.draw(st.integers(0, len(before) - 1))
    path.write_bytes(before[:place] + bytes([before[place] ^ data.draw(st.integers(1, 255))]) + before[place + 1 :])
    try:
        found = problems(bundle, keys)
    finally:
        path.write_bytes(before)
    assert found
    if path.parent.name == "sha256":
        assert len(found) == 1 and path.name in found[0] and ("speech_to_text" in found[0] or "package" in found[0] or "model" in found[0])


STRAYS = ("Thumbs.db", "DESKTOP.INI", ".DS_Store", "._bundle.json", "System Volume Information", "$RECYCLE.BIN", "FOUND.001", ".Trash-1000", "lost+found")


def test_what_systems_leave_on_media_is_named_and_ignored(bundle: Path, keys: kit.Keys, tmp_path: Path) -> None:
    expected = []
    for number, name in enumerate(STRAYS):
        for folder in ("", "blobs", "blobs/sha256"):
            path = bundle / folder / name
            path.mkdir() if number % 3 == 0 else os.mkfifo(path) if number % 3 == 1 else path.symlink_to(tmp_path)  # none of them is read
            expected.append(f"{folder}/{name}".lstrip("/"))
    assert problems(bundle, keys) == [] and sorted(verify.strays(str(bundle))) == sorted(expected)
    site = Store(str(tmp_path / "site"))
    receive.take(receive.judge(str(bundle), site, kit.SITE, keys.trust), site, kit.SITE)
    for name in ("thumbs.db.exe", "autorun.exe", "_.bundle.json", ".trash", "found.1", "x.DS_Store"):  # the list is closed
        (bundle / name).write_text("x")
        assert problems(bundle, keys) == [f"{name} is not listed"]
        (bundle / name).unlink()


def test_the_list_of_strays_is_the_documented_one() -> None:
    page = (Path(__file__).resolve().parents[5] / "docs" / "bundle-format.md").read_text()
    (rule,) = [line for line in page.replace("\n  ", " ").splitlines() if line.startswith("- What systems lay onto media")]
    named = [name for name in re.findall(r"`([^`]+)`", rule) if name != "._"]
    assert len(named) == 19 and all(medium.is_stray(name) for name in [*named, "._x"])


def test_everything_is_named_at_once_in_both_directions(bundle: Path, keys: kit.Keys, tmp_path: Path) -> None:
    paths = sorted((bundle / "blobs" / "sha256").iterdir())
    gone, cut, changed, linked = paths[:4]
    gone.unlink()
    cut.write_bytes(cut.read_bytes()[:-1])
    changed.write_bytes(bytes(byte ^ 1 for byte in changed.read_bytes()))
    (tmp_path / "elsewhere").write_bytes(linked.read_bytes())
    linked.unlink()
    linked.symlink_to(tmp_path / "elsewhere")
    (bundle / "blobs" / "sha256" / ("0" * 64)).write_bytes(b"?")
    (bundle / "evil.sh").write_text("")
    (bundle / "blobs" / "other").mkdir()
    os.mkfifo(bundle / "install.sh")
    text = "\n".join(problems(bundle, keys))
    for part in (
        f"{gone.name} is missing",
        f"{cut.name} has",
        f"{changed.name} is damaged",
        f"{linked.name} is no regular",
        "0" * 64,
        "evil.sh",
        "blobs/other",
        "install.sh is no",
    ):
        assert part in text, part
    assert f"{changed.name} is damaged" not in "\n".join(problems(bundle, keys, full=False))


def test_folders_that_are_links_are_found(bundle: Path, keys: kit.Keys) -> None:
    (bundle / "blobs").rename(bundle.parent / "outside")
    (bundle / "blobs").symlink_to(bundle.parent / "outside")
    assert any("blobs" in problem for problem in problems(bundle, keys))


def test_nothing_is_parsed_before_the_signature_holds(bundle: Path, keys: kit.Keys) -> None:
    (bundle / "bundle.json").write_text("{not json")
    assert "does not verify" in problems(bundle, keys)[0]
    (bundle / "bundle.json.sig").unlink()
    with pytest.raises(TrustError, match="not signed"):
        verify.open_manifest(str(bundle), keys.trust)


def test_a_site_cannot_sign_bundles(bundle: Path, keys: kit.Keys) -> None:
    (bundle / "bundle.json.sig").unlink()
    sign_file(str(bundle / "bundle.json"), keys.site, "azure-ai-bundle")
    assert "does not know for builder" in problems(bundle, keys)[0]


def test_a_signed_manifest_is_judged_all_the_same(bundle: Path, keys: kit.Keys) -> None:
    made = json.loads((bundle / "bundle.json").read_bytes())
    kit.resign(bundle, keys, {**made, "site": "../etc", "sequence": -1})
    with pytest.raises(Problems) as caught:
        verify.open_manifest(str(bundle), keys.trust)
    assert len(caught.value.problems) == 2
    kit.resign(bundle, keys, {**made, "format": manifest.FORMAT + 1})
    with pytest.raises(InputError, match="install a newer airgap.azure_ai first"):
        verify.open_manifest(str(bundle), keys.trust)


def test_a_record_that_its_own_manifest_contradicts_is_found(bundle: Path, keys: kit.Keys) -> None:
    made = json.loads((bundle / "bundle.json").read_bytes())
    made["images"][0]["layers"].reverse()
    made["id"] = manifest.identity(made)
    kit.resign(bundle, keys, made)
    assert problems(bundle, keys) == ["image speech_to_text:1.0: layers are not what its own manifest says"]


def test_index_and_layout_follow_from_the_manifest(bundle: Path, keys: kit.Keys) -> None:
    index = json.loads((bundle / "index.json").read_bytes())
    index["manifests"].reverse()
    (bundle / "index.json").write_bytes(pretty(index))
    (bundle / "oci-layout").unlink()
    assert problems(bundle, keys, full=False) == ["oci-layout is missing", "index.json is not what bundle.json gives"]


def test_an_oci_index_names_every_image(store: Store) -> None:
    index = json.loads(Path(store.path, "index.json").read_bytes())
    names = {entry["annotations"]["org.opencontainers.image.ref.name"]: entry["digest"] for entry in index["manifests"]}
    assert names == {f"{kit.REPOSITORY}:{image['tag']}": image["manifest"] for image in store.holdings()["images"]}
