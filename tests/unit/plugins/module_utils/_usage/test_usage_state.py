# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state that leaves with usage: known members only, and no name of a host or container with detail site."""

from __future__ import annotations

import json
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import pretty
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import state

NAMES = st.sampled_from(["secret-host-1", "secret-host-2"])
RELEASES = st.fixed_dictionaries(
    {"host": NAMES, "container": st.just("secret-stt"), "service": st.sampled_from(["stt", "tts"]), "release": st.just("r1")},
    optional={"tag": st.just("1"), "expires": st.just("2026-12-31"), "resource": st.just("dc0"), "license": st.just("secret")},
)
FINDINGS = st.fixed_dictionaries(
    {"kind": st.sampled_from(["clone", "unanswered"]), "host": NAMES, "container": st.just("secret-stt"), "meter": st.just("M"), "month": st.just("2026-01")}
    | {"text": st.just("secret-host-1 said\nno")}
)


@given(st.lists(RELEASES, max_size=6), st.lists(FINDINGS, max_size=6))
def test_with_detail_site_no_name_leaves_and_every_one_is_counted(releases: list[dict[str, t.Any]], findings: list[dict[str, t.Any]]) -> None:
    made = state.compose("plant-7", "site", "1.0.0", {"ledger": 1}, releases, findings)
    assert "secret" not in json.dumps(made)
    known = {json.dumps({name: row.get(name) for name in state.RELEASE}) for row in releases}
    assert sum(row["count"] for row in made["releases"]) == len(known)
    assert state.load(pretty(made), "state", {"site": "plant-7", "detail": "site"}) == made


@given(st.lists(RELEASES, max_size=6), st.lists(FINDINGS, max_size=6), st.randoms())
def test_order_does_not_matter_and_only_known_members_leave(releases: list[dict[str, t.Any]], findings: list[dict[str, t.Any]], random: t.Any) -> None:
    made = state.compose("plant-7", "host", "1.0.0", {}, releases, findings)
    random.shuffle(releases)
    assert made == state.compose("plant-7", "host", "1.0.0", {}, releases, findings)
    assert all(tuple(row) == state.RELEASE for row in made["releases"])
    assert state.load(pretty(made), "state", {"site": "plant-7", "detail": "host"}) == made


def test_what_runs_is_bound_to_what_the_store_knows() -> None:
    running = [{"site": "plant-7", "host": "h1", "container": "stt", "service": "s", "release": "r1"}, {"host": "h2", "release": "r9"}]
    rows = state.bound(running, [{"id": "r1", "tag": "4.9", "resource": "dc0", "expires": "2026-12-31", "license": "sha256:…"}])
    assert [(row["tag"], row["expires"]) for row in rows] == [("4.9", "2026-12-31"), (None, None)]


@pytest.mark.parametrize("given_state", [{"hosts": []}, {"releases": [{"host": "h1", "address": "10.0.0.1"}]}, {"findings": ["x"]}])
def test_what_may_not_leave_is_refused(given_state: dict[str, t.Any]) -> None:
    with pytest.raises(AirgapError, match="may not leave|other members"):
        state.given(given_state)


@given(st.binary(max_size=50) | st.sampled_from([b"{}", b"[]", b'{"format": 1}']))
def test_no_bytes_make_the_reader_stumble(data: bytes) -> None:
    with pytest.raises(AirgapError):
        state.load(data, "state", {"site": "plant-7", "detail": "host"})


@pytest.mark.parametrize(
    "change",
    [{"site": "plant-8"}, {"detail": "host"}, {"releases": {}}, {"findings": [1]}, {"formats": []}, {"formats": {"a": "b"}}, {"collection": 1}]
    + [{"releases": [{"service": "s", "tag": None, "resource": None, "expires": None, "count": "1"}]}, {"more": 1}, {"format": 2}],
)
def test_a_state_of_another_shape_is_refused(change: dict[str, t.Any]) -> None:
    made = state.compose("plant-7", "site", "1.0.0", {}, [], [])
    with pytest.raises(AirgapError):
        state.load(pretty({**made, **change}), "state", {"site": "plant-7", "detail": "site"})
