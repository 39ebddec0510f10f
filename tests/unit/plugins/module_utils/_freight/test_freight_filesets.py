# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Declared files: what lies in the folder crosses, whatever leads out of it does not."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError, IntegrityError, MissingError
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import filesets, shape
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.holdings import models_digest
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store

WHAT = "option glossary of text_translation"
ENTRY = {"files": [{"option": "glossary", "mount": "/a"}, {"option": "package", "mount": "/b"}]}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("g/en.fr.snt", "g/deep/x/version.json", "one.gz"):
        (tmp_path / "files" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "files" / name).write_bytes(name.encode())
    (tmp_path / "files" / "empty").mkdir()
    (tmp_path / "secret").write_text("do not carry")
    return tmp_path / "files"


@pytest.mark.parametrize(
    ("wanted", "paths"),
    [("g", ["deep/x/version.json", "en.fr.snt"]), ("g/", ["deep/x/version.json", "en.fr.snt"]), ("one.gz", ["one.gz"]), ("g/deep", ["x/version.json"])],
)
def test_a_folder_or_a_file_is_a_set(root: Path, wanted: str, paths: list[str]) -> None:
    found = filesets.survey(str(root), wanted, WHAT)
    assert [file.path for file in found] == paths and all(shape.is_path(file.path) for file in found)
    assert [file["size"] for file in filesets.collect(found, None)] == [os.path.getsize(file.place) for file in found]


def test_the_store_gets_the_files_and_the_same_set(root: Path, tmp_path: Path) -> None:
    store, counted = Store(str(tmp_path / "store")).create(), []
    found = filesets.survey(str(root), "g", WHAT)
    kept = filesets.collect(found, store, counted.append)
    assert kept == filesets.collect(found, None) and sum(counted) == sum(file.size for file in found)
    assert all(store.has(Digest.parse(file["digest"]), file["size"]) for file in kept)


@pytest.mark.parametrize(
    ("wanted", "error", "words"),
    [
        ("gone", MissingError, "is not there"),
        ("empty", MissingError, "holds no files"),
        ("..", InputError, "not a path below"),
        ("g/../../secret", InputError, "not a path below"),
        ("/etc/passwd", InputError, "not a path below"),
        ("", InputError, "not a path below"),
        ("link", InputError, "leads through a link"),
        ("linked/secret", InputError, "leads through a link"),
    ],
)
def test_what_is_not_there_or_leads_out_is_told(root: Path, wanted: str, error: type[AirgapError], words: str) -> None:
    (root / "link").symlink_to(root.parent / "secret")
    (root / "linked").symlink_to(root.parent)
    with pytest.raises(error, match=words) as caught:
        filesets.survey(str(root), wanted, WHAT)
    assert str(caught.value).startswith(WHAT)


@pytest.mark.parametrize("kind", ["link", "folder link", "pipe", "control"])
def test_only_plain_files_are_in_it(root: Path, kind: str) -> None:
    if kind == "pipe":
        os.mkfifo(root / "g" / "pipe")
    elif kind == "control":
        (root / "g" / "a\nb").write_text("x")
    else:
        (root / "g" / "out").symlink_to(root.parent / "secret" if kind == "link" else root.parent)
    with pytest.raises(InputError, match="not a regular file with a plain name"):
        filesets.survey(str(root), "g", WHAT)


def test_a_root_that_is_a_link_itself_is_the_administrator_s_choice(root: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").symlink_to(root)
    assert len(filesets.survey(str(tmp_path / "elsewhere"), "g", WHAT)) == 2


def test_bounds_are_held(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filesets, "MAX_FILES", 1)
    with pytest.raises(InputError, match="more than 1 files"):
        filesets.survey(str(root), "g", WHAT)
    monkeypatch.setattr(filesets, "MAX_FILES", 100)
    monkeypatch.setattr(filesets, "MAX_BYTES", 10)
    with pytest.raises(InputError, match="or 0 GB"):
        filesets.survey(str(root), "g", WHAT)
    monkeypatch.setattr(filesets, "MAX_BYTES", 10**9)
    monkeypatch.setattr(filesets, "MAX_DEPTH", 1)
    with pytest.raises(InputError, match="more than 1 folders deep"):
        filesets.survey(str(root), "g", WHAT)


def test_a_file_that_changes_meanwhile_is_noticed(root: Path, tmp_path: Path) -> None:
    found = filesets.survey(str(root), "g", WHAT)
    Path(found[0].place).write_text("longer than it was when it was looked at")
    with pytest.raises(IntegrityError, match="more than"):
        filesets.collect(found, Store(str(tmp_path / "store")).create())
    Path(found[0].place).unlink()
    os.mkfifo(found[0].place)
    with pytest.raises(InputError, match="changed while"):
        filesets.collect(found, None)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(names=st.sets(st.text("abc._-", min_size=1, max_size=4).filter(lambda name: name not in (".", "..")), min_size=1, max_size=6), seed=st.integers())
def test_the_order_in_which_files_were_made_is_no_matter(tmp_path_factory: pytest.TempPathFactory, names: set[str], seed: int) -> None:
    digests = []
    for turn in (0, 1):
        root, order = tmp_path_factory.mktemp("set"), sorted(names)
        random.Random(seed + turn).shuffle(order)
        (root / "x").mkdir()
        for name in order:
            (root / "x" / name).write_text(name)
        found = filesets.survey(str(root), "x", WHAT)
        digests.append(models_digest(filesets.collect(found, None)))
    assert digests[0] == digests[1]


@pytest.mark.parametrize(
    ("options", "expected"),
    [({}, None), ({"glossary": "", "package": None}, None), ({"glossary": "g"}, ("glossary", "g")), ({"package": "p"}, ("package", "p"))],
)
def test_the_option_that_names_files_is_found(options: dict[str, object], expected: tuple[str, str] | None) -> None:
    assert filesets.option_of(ENTRY, options) == expected
    assert filesets.option_of({}, options) is None


@pytest.mark.parametrize(("options", "words"), [({"glossary": "g", "package": "p"}, "name files both"), ({"glossary": ["g"]}, "is not a path")])
def test_options_that_cannot_be_carried_are_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        filesets.option_of(ENTRY, options)
