# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""daemon.json: nothing that was there is lost, nothing that is wanted is left out."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import daemon

NAMES = st.sampled_from(["debug", "log-opts", "data-root", "live-restore"])
CONFIGS = st.dictionaries(NAMES, st.one_of(st.booleans(), st.text(max_size=3), st.dictionaries(st.sampled_from("ab"), st.text(max_size=2), max_size=2)))


@given(CONFIGS, CONFIGS)
def test_merging(have: dict[str, t.Any], want: dict[str, t.Any]) -> None:
    after = daemon.merged(have, want)
    assert set(after) == set(have) | set(want)
    assert all(after[key] == have[key] for key in set(have) - set(want))
    assert daemon.reason(after, want) is None and daemon.apply(after, want) == "nothing", "a second run changes nothing"
    assert (daemon.reason(have, want) is None) == (after == have)
    assert daemon.parse(daemon.text(after), "x") == after


def test_mappings_are_merged_key_by_key() -> None:
    have = {"log-opts": {"max-size": "1m", "compress": "true"}, "bip": "172.26.0.1/16"}
    want = {"log-opts": {"max-size": "10m"}}
    assert daemon.merged(have, want) == {"log-opts": {"max-size": "10m", "compress": "true"}, "bip": "172.26.0.1/16"}
    assert daemon.reason(have, want) == "log-opts differs"


@pytest.mark.parametrize(
    ("want", "apply"),
    [({"live-restore": True}, "reload"), ({"live-restore": True, "data-root": "/srv"}, "restart"), ({"debug": False}, "nothing"), ({"bip": "x"}, "restart")],
)
def test_what_the_engine_must_do(want: dict[str, t.Any], apply: str) -> None:
    assert daemon.apply({"debug": False}, want) == apply


@pytest.mark.parametrize("data", [b"{", b"[]", b"1", b"\xff", b"[" * 100_000])
def test_a_file_that_the_engine_cannot_read_is_not_overwritten(data: bytes) -> None:
    with pytest.raises(InputError, match="daemon.json: not"):
        daemon.parse(data, "daemon.json")


def test_an_empty_file_is_an_empty_configuration() -> None:
    assert daemon.parse(b" \n", "x") == {}


def test_a_survey_tells_what_differs_and_no_content(tmp_path: Path) -> None:
    path = tmp_path / "daemon.json"
    assert daemon.survey({"debug": True}, str(path)) == {"reason": "debug differs", "apply": "reload", "error": None}
    path.write_text('{"proxies": {"http-proxy": "http://me:secret@proxy"}, "debug": true}')
    assert daemon.survey({"debug": True}, str(path)) == {"reason": None, "apply": "nothing", "error": None}
    path.write_text("{secret")
    found = daemon.survey({"debug": True}, str(path))
    assert "not JSON" in found["error"] and "secret" not in str(found)
