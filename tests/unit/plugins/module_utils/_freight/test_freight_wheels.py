# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, IntegrityError, MissingError, RemoteError
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import watch, wheels
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit

OWN_LOCK = Path(__file__).parents[5] / "roles" / "bundle" / "files" / "control" / "wheels.json"


def entry(name: str = "jinja2", data: bytes = b"wheel", **changes: t.Any) -> dict[str, t.Any]:
    found = {"name": name, "version": "1.0", "filename": f"{name}-1.0-py3-none-any.whl", "digest": kit.sha(data), "size": len(data), "charts": False}
    return {**found, **changes}


def lock(folder: Path, *entries: dict[str, t.Any], **changes: t.Any) -> str:
    (folder / "lock.json").write_text(json.dumps({"format": 1, "python": {"3.11": list(entries)}, **changes}))
    return str(folder / "lock.json")


@pytest.fixture
def empty(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store")).create()


@pytest.mark.parametrize("python", ["3.11", "3.13"])
def test_our_own_lock_has_what_a_control_node_needs(python: str) -> None:
    base = {each["name"]: each["version"] for each in wheels.read_lock(str(OWN_LOCK), python, False)}
    needed = {"ansible-core", "jinja2", "pyyaml", "cryptography", "sqlalchemy", "psycopg", "psycopg-binary", "requests", "jsonschema"}
    assert needed <= set(base) and "matplotlib" not in base
    assert {"matplotlib", "numpy"} <= {each["name"] for each in wheels.read_lock(str(OWN_LOCK), python, True)}


def test_charts_are_left_out_unless_wanted(tmp_path: Path) -> None:
    path = lock(tmp_path, entry(), entry("matplotlib", b"m", charts=True))
    assert [each["name"] for each in wheels.read_lock(path, "3.11", False)] == ["jinja2"]
    assert len(wheels.read_lock(path, "3.11", True)) == 2


@pytest.mark.parametrize(
    ("entries", "changes", "python", "text"),
    [
        ([], {}, "3.9", "names no wheels for it; it has 3.11"),
        ([], {"format": 2}, "3.11", "not a lock file of format 1"),
        ([entry(filename="../x.whl")], {}, "3.11", "filename has the bad value"),
        ([entry(name="-r x")], {}, "3.11", "name has the bad value"),
        ([entry(digest="md5:1")], {}, "3.11", "digest has the bad value"),
        (["x"], {}, "3.11", "is not an object"),
    ],
)
def test_bad_locks_are_refused(tmp_path: Path, entries: list, changes: dict, python: str, text: str) -> None:
    with pytest.raises(InputError, match=text):
        wheels.read_lock(lock(tmp_path, *entries, **changes), python, False)


def test_wheels_of_a_folder_are_known_by_hash(tmp_path: Path, empty: Store) -> None:
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / "renamed.whl").write_bytes(b"wheel")
    (tmp_path / "wheels" / "other.whl").write_bytes(b"wheeL")
    wheels.gather(empty, str(tmp_path / "wheels"), [entry()])
    assert wheels.missing(empty, [entry()]) == []
    with pytest.raises(MissingError, match="lacks gone-1.0-py3-none-any.whl"):
        wheels.gather(empty, str(tmp_path / "wheels"), [entry("gone", b"other")])


def pip(monkeypatch: pytest.MonkeyPatch, stderr: str = "", **files: bytes) -> list[list[str]]:
    """Stand in for pip: files come into the destination, or it fails with this output."""
    calls: list[list[str]] = []

    def run(command: list[str], timeout: float, folders: list[str], advance: object, environment: object) -> watch.Done:
        calls.append(command)
        for name, data in files.items():
            Path(folders[0], f"{name}-1.0-py3-none-any.whl").write_bytes(data)
        return watch.Done(1 if stderr else 0, b"", stderr)

    monkeypatch.setattr(watch, "run", run)
    return calls


def test_pip_is_told_hashes_and_the_other_python(tmp_path: Path, empty: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = pip(monkeypatch, jinja2=b"wheel")
    wheels.fetch(empty, str(tmp_path / "store" / "work"), [entry()], "3.13", "amd64", 10)
    assert wheels.missing(empty, [entry()]) == []
    assert {"--require-hashes", "--no-deps", "--only-binary=:all:", "--python-version=3.13", "--abi=cp313", "--platform=manylinux_2_28_x86_64"} <= set(calls[0])
    assert (tmp_path / "store" / "work" / "requirements.txt").read_text() == f"jinja2==1.0 --hash={kit.sha(b'wheel')}\n"


@pytest.mark.parametrize(
    ("stderr", "error", "text"),
    [
        ("/usr/bin/python3: No module named pip", MissingError, "install python3-pip"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", IntegrityError, "other bytes than the lock"),
        ("WARNING: retry\nERROR: No matching distribution found for jinja2==1.0", RemoteError, "No matching distribution found"),
    ],
)
def test_what_pip_says_is_one_line(tmp_path: Path, empty: Store, monkeypatch: pytest.MonkeyPatch, stderr: str, error: type[Exception], text: str) -> None:
    pip(monkeypatch, stderr)
    with pytest.raises(error, match=text):
        wheels.fetch(empty, str(tmp_path / "store" / "work"), [entry()], "3.11", "amd64", 10)


def test_other_bytes_are_never_kept(tmp_path: Path, empty: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    pip(monkeypatch, jinja2=b"other")
    with pytest.raises(IntegrityError, match=r"jinja2-1\.0-py3-none-any\.whl"):
        wheels.fetch(empty, str(tmp_path / "store" / "work"), [entry()], "3.11", "amd64", 10)
    pip(monkeypatch)
    with pytest.raises(IntegrityError, match="brought another file"):
        wheels.fetch(empty, str(tmp_path / "store" / "work"), [entry()], "3.11", "amd64", 10)
