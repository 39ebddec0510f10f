# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import lockfile
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit


def image(tag: str, data: bytes) -> dict[str, str]:
    return {"repository": kit.REPOSITORY, "tag": tag, "manifest": kit.sha(data)}


def test_what_was_locked_stays_and_new_tags_join(tmp_path: Path) -> None:
    path = str(tmp_path / "images.lock.json")
    assert lockfile.load(path) == {} == lockfile.load(None)
    assert lockfile.add(path, [image("1.0", b"a")], write=False) == {f"{kit.REPOSITORY}:1.0": kit.sha(b"a")} and not Path(path).exists()
    assert lockfile.add(path, [image("1.0", b"a")]) and not lockfile.add(path, [image("1.0", b"a")]) and not lockfile.add(None, [image("1.0", b"a")])
    assert lockfile.add(path, [image("1.0", b"a"), image("2.0", b"b")]) == {f"{kit.REPOSITORY}:2.0": kit.sha(b"b")}
    assert lockfile.load(path) == {f"{kit.REPOSITORY}:1.0": kit.sha(b"a"), f"{kit.REPOSITORY}:2.0": kit.sha(b"b")}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2, "kind": "airgap.azure_ai/images-lock", "images": {}}'])
def test_something_else_is_refused_in_words(tmp_path: Path, text: str) -> None:
    (tmp_path / "lock").write_text(text)
    with pytest.raises(InputError):
        lockfile.load(str(tmp_path / "lock"))


def test_a_bad_digest_is_named(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text('{"format": 1, "kind": "airgap.azure_ai/images-lock", "images": {"x:1": "latest"}}')
    with pytest.raises(InputError, match="'latest'"):
        lockfile.load(str(tmp_path / "lock"))
