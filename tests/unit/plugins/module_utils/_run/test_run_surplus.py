# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may go from a host, and what a rollback still needs."""

from __future__ import annotations

import typing as t
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.names import local_image
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import surplus
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._run.imitations import sha

IDS = ["r1", "r2", "r3", "r4"]


def name(release: str) -> str:
    return local_image("sentiment", sha(release.encode()))


def release(number: str, **more: t.Any) -> dict[str, t.Any]:
    return {"service": "sentiment", "image": sha(number.encode()), "models": sha(b"m" + number.encode()), "files": None, "complete": True, **more}


def folder(current: str | None, previous: str | None, *ids: str) -> dict[str, t.Any]:
    return {"current": current, "previous": previous, "releases": {each: release(each) for each in ids or IDS}, "source": None, "proven": None}


def found(folders: dict[str, t.Any], switch: dict[str, str] | None = None, used: t.Collection[str] = ()) -> dict[str, t.Any]:
    images = {**{name(each): 5 for each in IDS}, "debian:12": 7}
    return surplus.surplus(folders, [sha(b"m" + each.encode()) for each in IDS], images, used, switch or {})


def test_current_and_previous_stay_with_all_that_they_name() -> None:
    result = found({"a": folder("r4", "r3")})
    assert result["releases"] == [["a", "r1"], ["a", "r2"]]
    assert result["images"] == sorted([name("r1"), name("r2")])
    assert result["models"] == sorted([sha(b"mr1"), sha(b"mr2")])
    assert result["bytes"] == 10
    assert surplus.reason(result) == "2 former releases with their licenses, 2 images (10 B), 2 sets of models or files"
    one = surplus.reason(found({"a": folder("r4", "r3", "r1", "r3", "r4")}, used=[name("r2")]))
    assert one == "1 former release with its license, 1 image (5 B), 2 sets of models or files"


def test_before_the_switch_it_tells_what_goes_after_it() -> None:
    before = found({"a": folder("r2", "r1", "r1", "r2")}, {"a": "r3"})
    assert before["releases"] == [["a", "r1"]]
    after = found({"a": folder("r3", "r2", "r1", "r2", "r3")}, {"a": "r3"})
    assert after["releases"] == before["releases"]


def test_what_another_container_needs_or_has_stays() -> None:
    result = found({"a": folder("r4", None), "b": folder("r1", None, "r1")}, used=[name("r2")])
    assert result["images"] == [name("r3")]
    assert sha(b"mr1") not in result["models"]


def test_a_release_that_says_nothing_readable_stops_nothing() -> None:
    broken = folder("r4", "r3")
    broken["releases"]["r4"], broken["releases"]["r3"] = {"complete": False}, {"image": sha(b"r3"), "complete": False}
    assert found({"a": broken}, used=[name("r4"), name("r3")])["releases"] == [["a", "r1"], ["a", "r2"]]


def test_what_is_staged_for_a_container_that_never_ran_stays() -> None:
    assert surplus.reason(found({"a": folder(None, None)})) is None


def test_what_is_staged_for_the_night_outlives_the_repair_of_another_container() -> None:
    waits = {**folder("r2", "r1"), "staged": "r4"}
    result = found({"a": waits, "b": folder("r2", None, "r2")}, {"b": "r2"})
    assert (result["releases"], result["images"], result["models"]) == ([["a", "r3"]], [name("r3")], [sha(b"mr3")])
    assert ["a", "r4"] not in found({"a": waits}, {"a": "r2"})["releases"], "other settings, the same release"


def test_a_switch_to_another_release_ends_the_wait() -> None:
    """Told before it as it will be after it."""
    assert found({"a": {**folder("r2", "r1"), "staged": "r4"}}, {"a": "r3"})["releases"] == [["a", "r1"], ["a", "r4"]]
    assert found({"a": {**folder("r3", "r2"), "staged": None}}, {"a": "r3"})["releases"] == [["a", "r1"], ["a", "r4"]]


def test_what_a_rollback_went_back_to_before_a_switch_is_not_what_it_goes_back_to_after_it() -> None:
    now = {**folder("r2", "r1", "r1", "r2"), "proved": "r2", "former": "r1", "rollback": {"left": [{"release": "r1"}]}}
    assert found({"a": now}, {"a": "r3"})["releases"] == [["a", "r1"]]
    assert found({"a": now}, {"a": "r2"})["releases"] == [], "other settings alone: nobody knows yet what becomes of it"
    unproven = {**folder("r2", "r1", "r1", "r2", "r4"), "proved": "r1", "former": "r4"}
    assert found({"a": unproven}, {"a": "r3"})["releases"] == [["a", "r4"]], "what last proved itself stays"


@given(st.lists(st.sampled_from(IDS), min_size=1, unique=True), st.data())
def test_nothing_that_stays_loses_what_it_names(ids: list[str], data: st.DataObject) -> None:
    current = data.draw(st.sampled_from([None, *ids]))
    previous = data.draw(st.sampled_from([None, *ids]))
    staged = data.draw(st.sampled_from([None, *ids]))
    switch = data.draw(st.sampled_from([{}, {"a": ids[0]}]))
    result = found({"a": {**folder(current, previous, *ids), "staged": staged}}, switch)
    left = [each for each in ids if ["a", each] not in result["releases"]]
    assert not {name(each) for each in left} & set(result["images"])
    assert not {sha(b"m" + each.encode()) for each in left} & set(result["models"])
    assert {current, *switch.values()} - {None} <= set(left)
    assert switch or {previous, staged} - {None} <= set(left)


def test_removing(tmp_path: Path) -> None:
    class Engine:
        removed: t.ClassVar[list[str]] = []

        def remove_image(self, image: str) -> bool:
            self.removed.append(image)
            return True

    gone, stays = tmp_path / "containers/a/releases/r1/license", tmp_path / "containers/a/output"
    models = tmp_path / "models" / sha(b"m")[7:]
    for path in (gone, stays, models):
        path.mkdir(parents=True)
    engine: t.Any = Engine()
    surplus.remove(str(tmp_path), engine, {"releases": [["a", "r1"]], "images": ["i"], "models": [sha(b"m")], "bytes": 0})
    assert engine.removed == ["i"]
    assert (gone.parent.exists(), models.exists(), stays.exists()) == (False, False, True)
