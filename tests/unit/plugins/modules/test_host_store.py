# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""host_store: check, do, check, do."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._run import deployed
from ansible_collections.airgap.azure_ai.plugins.modules import host_store
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._run.imitations import sha

Run = t.Callable[..., dict[str, t.Any]]
DATA = b"model"
BLOB = {"digest": sha(DATA), "size": len(DATA)}
MODELS = {"digest": sha(b"set"), "files": [{"path": "a/b", **BLOB}]}


@pytest.fixture
def options(tmp_path: Path) -> dict[str, t.Any]:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / BLOB["digest"][7:]).write_bytes(DATA)
    return {"root": str(tmp_path / "root"), "incoming": str(tmp_path / "in"), "blobs": [BLOB], "models": [MODELS], "prune": True}


def test_check_do_check_do(options: dict[str, t.Any], run: Run, tmp_path: Path) -> None:
    would = run(host_store.main, check=True, **options)
    assert (would["changed"], (tmp_path / "root").exists()) == (True, False)
    did = run(host_store.main, **options)
    assert did["changed"] is True
    assert {key: would[key] for key in ("adopted", "placed", "diff", "msg")} == {key: did[key] for key in ("adopted", "placed", "diff", "msg")}
    for check in (True, False):
        again = run(host_store.main, check=check, **options)
        assert (again["changed"], again["msg"]) == (False, "everything is in place")
    assert deployed.models(options["root"]) == [MODELS["digest"]]
    assert (tmp_path / "root" / "models" / MODELS["digest"][7:] / "a" / "b").read_bytes() == DATA


def test_what_keep_names_stays(options: dict[str, t.Any], run: Run) -> None:
    run(host_store.main, **options)
    (Path(options["root"]) / "store/blobs/sha256" / sha(b"layer")[7:]).write_bytes(b"layer")
    pruned = run(host_store.main, root=options["root"], prune=True, keep=[MODELS["digest"]])
    assert pruned["removed"] == [f"store/blobs/sha256/{sha(b'layer')[7:]}"], "a file of a set that stays is kept for the next set that has it"
    assert list(deployed.store(options["root"])) == [BLOB["digest"][7:]]
    assert deployed.models(options["root"]) == [MODELS["digest"]]


def test_pruning_is_told_before_it_is_done(options: dict[str, t.Any], run: Run) -> None:
    run(host_store.main, **{**options, "prune": False})
    pruned = {"root": options["root"], "prune": True}
    would = run(host_store.main, check=True, **pruned)
    assert len(would["removed"]) == 2
    assert run(host_store.main, **pruned)["removed"] == would["removed"]
    assert run(host_store.main, **pruned)["changed"] is False


def test_damaged_blobs_are_all_named(options: dict[str, t.Any], run: Run, tmp_path: Path) -> None:
    (tmp_path / "in" / BLOB["digest"][7:]).write_bytes(b"m0del")
    other = {"digest": sha(b"gone"), "size": 4}
    result = run(host_store.main, **{**options, "blobs": [BLOB, other]})
    assert result["failed"] is True
    assert [word for word, line in zip(("damaged", "not in"), result["problems"]) if word not in line] == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"incoming": None}, "name the folder they were sent to"),
        ({"incoming": "/nowhere/at/all"}, "no such folder"),
        ({"owner": "nobody-of-that-name"}, "no such user"),
        ({"blobs": [{"size": 1}]}, "key 'digest' is missing"),
        ({"blobs": [{"digest": "md5:1", "size": 1}]}, "not of the form sha256"),
    ],
)
def test_bad_input_is_one_line(options: dict[str, t.Any], run: Run, change: dict[str, t.Any], told: str) -> None:
    result = run(host_store.main, **{**options, **change})
    assert result["failed"] is True
    assert told in result["msg"]
    assert "\n" not in result["msg"]
