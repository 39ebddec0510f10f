# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import json
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.release import Release, age, selector

RELEASE = Release(
    selector=selector("speech_to_text", "4.9.0", "speech-dc0", {}),
    service="speech_to_text",
    tag="4.9.0",
    resource="speech-dc0",
    options={},
    image="sha256:" + "1" * 64,
    license="sha256:" + "2" * 64,
)


@pytest.mark.parametrize(
    "change",
    [
        {"image": "sha256:" + "3" * 64},
        {"license": "sha256:" + "3" * 64},
        {"models": "sha256:" + "3" * 64},
        {"settings": {"MODELS": "en,de"}},
        {"resource": "speech-other"},
        {"files": "sha256:" + "3" * 64},
        {"license": None},
    ],
)
def test_what_a_container_would_notice_makes_another_release(change: dict[str, t.Any]) -> None:
    assert dataclasses.replace(RELEASE, **change).id != RELEASE.id


@pytest.mark.parametrize(
    "change", [{"downloaded": "2026-01-31T12:00:00Z"}, {"expires": "2026-03-01"}, {"tag": "4.9.0-again"}, {"made": "2026-02-01T12:00:00Z"}]
)
def test_what_it_would_not_notice_does_not(change: dict[str, t.Any]) -> None:
    assert dataclasses.replace(RELEASE, **change).id == RELEASE.id


def test_the_id_is_fixed_for_good() -> None:
    assert RELEASE.id == "554bef127297c6c5"


@given(st.dictionaries(st.text(st.characters(exclude_categories=("Cs",))), st.text(st.characters(exclude_categories=("Cs",))), max_size=4))
def test_a_release_reads_back_through_json(settings: dict[str, str]) -> None:
    release = dataclasses.replace(RELEASE, settings=settings, models="sha256:" + "4" * 64, expires="2026-03-01")
    assert Release.load(json.loads(json.dumps(release.dump()))) == release


def test_keys_of_later_versions_are_left_out() -> None:
    assert Release.load({**RELEASE.dump(), "license_size": 12, "colour": "red"}) == RELEASE


@pytest.mark.parametrize("name", ["selector", "service", "tag", "resource", "options", "image", "license"])
def test_a_missing_key_is_named(name: str) -> None:
    data = RELEASE.dump()
    del data[name]
    with pytest.raises(InputError, match=f"release: without {name};"):
        Release.load(data)


def test_the_required_keys_are_those_without_default() -> None:
    required = {item.name for item in dataclasses.fields(Release) if item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING}
    with pytest.raises(InputError) as caught:
        Release.load({})
    assert set(caught.value.problem.replace("without ", "").split(", ")) == required


def test_files_and_models_are_two_things() -> None:
    one, other = ({"models": "sha256:" + "4" * 64}, {"files": "sha256:" + "4" * 64})
    assert dataclasses.replace(RELEASE, **one).id != dataclasses.replace(RELEASE, **other).id


def test_what_an_older_version_wrote_reads_on() -> None:
    old = {key: value for key, value in RELEASE.dump().items() if key not in ("files", "made")}
    assert Release.load(old) == RELEASE


def test_a_release_without_license_reads_back() -> None:
    release = dataclasses.replace(RELEASE, license=None, resource="none")
    assert Release.load(release.dump()) == release


def test_the_newest_is_the_one_bound_last() -> None:
    first = {"id": "f", "downloaded": "2026-01-01T00:00:00Z", "made": None}
    again, later = {**first, "id": "a", "made": "2026-03-01T00:00:00Z"}, {**first, "id": "b", "downloaded": "2026-02-01T00:00:00Z"}
    assert sorted([again, first, later], key=age) == [first, later, again]
    assert max([{"id": "1"}, {"id": "2"}], key=age) == {"id": "2"}


def test_a_selector_does_not_depend_on_the_order_of_options() -> None:
    assert selector("s", "t", "r", {"a": 1, "b": [2]}) == selector("s", "t", "r", {"b": [2], "a": 1})


@pytest.mark.parametrize(
    "other", [("s2", "t", "r", {"a": 1}), ("s", "t2", "r", {"a": 1}), ("s", "t", "r2", {"a": 1}), ("s", "t", "r", {"a": 2}), ("s", "t", "r", {})]
)
def test_a_selector_tells_declarations_apart(other: tuple[str, str, str, dict[str, int]]) -> None:
    assert selector(*other) != selector("s", "t", "r", {"a": 1})
