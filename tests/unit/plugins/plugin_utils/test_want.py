# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The wish: which release is chosen, what the store lacks, templates."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, MissingError
from ansible_collections.airgap.azure_ai.plugins.plugin_utils import _want
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._run.imitations import Image, declaration, release

ONE, TWO = Image(b"one"), Image(b"two")
OLD, NEW = release(ONE, downloaded="2026-01-01T00:00:00Z"), release(TWO, downloaded="2026-02-02T00:00:00Z")
RAW = {"name": "a", "service": "sentiment", "tag": "3.0-en", "port": 5001, "resource": "lang-dc0"}


def test_the_newest_release_whose_image_is_there() -> None:
    both = {"images": [ONE.record, TWO.record], "models": [], "releases": [NEW, OLD]}
    assert _want.bound(declaration(), both) == {"release": NEW, "image": TWO.record, "models": None, "files": None}
    assert _want.bound(declaration(), {**both, "images": [ONE.record]})["release"] == OLD
    assert _want.bound(declaration(), {**both, "images": []}) == {"release": NEW, "image": None, "models": None, "files": None}
    assert _want.bound(declaration(tag="other"), both) == {"release": None, "image": None, "models": None, "files": None}


def test_models_come_with_their_release() -> None:
    models = {"digest": "sha256:" + "c" * 64, "files": []}
    found = release(ONE, models["digest"])
    assert _want.bound(declaration(), {"images": [ONE.record], "models": [models], "releases": [found]})["models"] == models
    assert _want.bound(declaration(), {"images": [ONE.record], "releases": [found]})["models"] is None


def test_files_come_with_their_release_and_the_last_bound_counts() -> None:
    sets = [{"digest": "sha256:" + digit * 64, "files": []} for digit in "cd"]
    old, new = (release(ONE, files=item["digest"], made=made) for item, made in zip(sets, (None, "2026-03-01T00:00:00Z")))
    for releases in ([old, new], [new, old]):
        found = _want.bound(declaration(), {"images": [ONE.record], "models": sets, "releases": releases})
        assert (found["release"], found["files"], found["models"]) == (new, sets[1], None), "one license, other files"


def test_entries_come_in_the_form_of_their_options() -> None:
    change = {"sentiment": {"variants": [{"when": {"big": True}, "title": "Big"}], "options": {"properties": {"big": {"type": "boolean", "default": True}}}}}
    found = _want.want({"azure_ai_containers": [RAW], "azure_ai_catalog": change}, {}, "/srv", False, False)["containers"][0]
    assert (found["entry"]["title"], found["declaration"]["options"]) == ("Big", {"big": True})
    assert "variants" not in found["entry"]


def test_the_wish_of_a_host() -> None:
    holdings = {"images": [ONE.record], "models": [], "releases": [OLD], "packages": [{"name": "rsync"}]}
    found = _want.want({"azure_ai_containers": [RAW], "azure_ai_site": "plant-7"}, holdings, "/srv", False, True)
    assert (found["site"], found["root"], found["allow_small"], found["newest"]) == ("plant-7", "/srv", True, "2026-01-31T12:00:00Z")
    (item,) = found["containers"]
    assert (item["declaration"]["name"], item["entry"]["title"], item["release"]) == ("a", "Sentiment analysis", OLD)
    assert _want.want({}, {}, "/srv", False, False)["newest"] is None


def test_only_what_is_needed_is_templated() -> None:
    values = {"azure_ai_containers": 1, "azure_ai_containers__x": 2, "azure_ai_catalog": 3, "azure_ai_site": 4, "azure_ai_resources": 5}
    assert _want.templated(values, lambda value: value * 10) == {
        "azure_ai_containers": 10,
        "azure_ai_containers__x": 20,
        "azure_ai_catalog": 30,
        "azure_ai_site": 40,
    }


def test_holdings_that_are_not_there_or_damaged(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="receive a bundle first"):
        _want.holdings_of(str(tmp_path))
    (tmp_path / "holdings.json").write_text("{")
    with pytest.raises(InputError, match="not valid JSON"):
        _want.holdings_of(str(tmp_path))
    (tmp_path / "holdings.json").write_text(json.dumps({"format": 1}))
    assert _want.holdings_of(str(tmp_path)) == {"format": 1}
