# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a builder can fetch what is declared: each problem named with its way out."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.airgap.azure_ai.plugins.module_utils._run import builder

GIB = 2**30
ENTRY: dict[str, t.Any] = {
    "size": {"minimum": {"cpus": 4, "memory": "4g"}},
    "cpu_flags": ["avx2"],
    "cpu_flags_recommended": ["avx512f"],
    "online": [{"name": "model", "account": "model", "size": {"cpus": 4, "memory": "8g"}}, {"name": "license"}],
}
FREE = {"size": {"minimum": {"cpus": 99, "memory": "999g"}}, "cpu_flags": ["amx_tile"], "online": []}
HAVE: dict[str, t.Any] = {"arch": "amd64", "cpus": 8, "cpu_flags": ["avx2", "avx512f"], "memory": 16 * GIB, "engine": {"version": "26.1.5"}, "engine_error": ""}
GOOD = {"dc0": {"endpoint": "https://x", "api_key": "k"}, "s0": {"endpoint": "https://y", "api_key": "k"}}


def container(**changes: t.Any) -> dict[str, t.Any]:
    base = {"name": "stt", "service": "custom_speech_to_text", "variable": "azure_ai_containers", "resource": "dc0", "options": {"model_resource": "s0"}}
    return {**base, "entry": ENTRY, **changes}


def test_a_good_builder_has_neither_problems_nor_warnings() -> None:
    assert builder.account_problems([container()], GOOD) == []
    assert builder.machine(HAVE, [container()]) == ([], [])


@pytest.mark.parametrize(
    ("changes", "accounts", "words"),
    [
        ({}, {"s0": GOOD["s0"]}, ["resource dc0 is not in azure_ai_resources"]),
        ({}, {"dc0": GOOD["dc0"]}, ["model_resource s0 is not in azure_ai_resources"]),
        ({}, {}, ["resource dc0 is not in", "model_resource s0 is not in"]),
        ({}, {**GOOD, "dc0": {"endpoint": "https://x", "api_key": ""}}, ["resource dc0 has no api_key; set it"]),
        ({}, {**GOOD, "s0": {}}, ["model_resource s0 has no endpoint and no api_key"]),
        ({"options": {}}, {"dc0": GOOD["dc0"]}, []),
        ({}, {**GOOD, "dc0": {**GOOD["dc0"], "license_lifetime_days": "many"}}, ["resource dc0: license_lifetime_days 'many' is not a whole number from 1"]),
        ({}, {**GOOD, "dc0": {**GOOD["dc0"], "license_lifetime_days": -4}}, ["resource dc0: license_lifetime_days '-4' is not"]),
        ({}, {**GOOD, "dc0": {**GOOD["dc0"], "license_lifetime_days": "30"}}, []),
        ({}, {**GOOD, "s0": {"endpoint": "s0.example", "api_key": "k"}}, ["model_resource s0: its endpoint is not an address; write it like https://s0."]),
        ({}, {**GOOD, "dc0": {"endpoint": "https://a b", "api_key": "k"}}, ["resource dc0: its endpoint is not an address"]),
        ({"entry": {**ENTRY, "online": [{"name": "license"}]}}, {"dc0": GOOD["dc0"]}, []),
        ({"entry": FREE, "resource": "none"}, {}, []),
    ],
)
def test_every_account_that_lacks_is_named(changes: dict[str, t.Any], accounts: dict[str, t.Any], words: list[str]) -> None:
    found = builder.account_problems([container(**changes)], accounts)
    assert len(found) == len(words) and all(word in line and line.startswith("container stt (azure_ai_containers): ") for word, line in zip(words, found))


def test_a_container_of_a_site_s_wants_has_no_name() -> None:
    (line,) = builder.account_problems([container(name=None, options={})], {})
    assert line.startswith("container custom_speech_to_text (azure_ai_containers): ")


@pytest.mark.parametrize(
    ("change", "problem", "warning"),
    [
        ({"cpu_flags": ["avx512f"]}, "CPU lacks avx2, without which", None),
        ({"cpu_flags": ["avx2"]}, None, "lacks avx512f, which is recommended"),
        ({"memory": 8 * GIB - 1}, "its license run needs 8g of memory, the builder has 8.0g", None),
        ({"memory": 8 * GIB}, None, None),
        ({"cpus": 2}, None, "4 CPUs are its minimum, the builder has 2"),
        ({"arch": "arm64"}, "which need amd64", None),
        ({"engine": None, "engine_error": "Docker Engine at x: no such socket"}, "engine: Docker Engine at x: no such socket", None),
        ({"engine": {"version": "19.03.8"}}, "it is Docker 19.03.8; install 20.10 or newer", None),
        ({"engine": {"version": "20.10.24+dfsg1"}}, None, None),
        ({"engine": {"version": "dev"}}, None, None),
    ],
)
def test_what_the_machine_lacks_is_named(change: dict[str, t.Any], problem: str | None, warning: str | None) -> None:
    problems, warnings = builder.machine({**HAVE, **change}, [container(), container(entry=FREE)])
    for found, wanted in ((problems, problem), (warnings, warning)):
        assert len(found) == (wanted is not None) and all(str(wanted) in line for line in found)


def test_too_little_memory_may_be_a_warning() -> None:
    problems, warnings = builder.machine({**HAVE, "memory": GIB}, [container()], allow_small=True)
    assert problems == [] and len(warnings) == 1 and "its license run needs 8g" in warnings[0]


def test_the_largest_step_counts_and_no_license_needs_nothing() -> None:
    assert builder.run_memory(ENTRY) == 8 * GIB
    assert builder.run_memory({**ENTRY, "online": [{"name": "license"}]}) == 4 * GIB
    assert builder.run_memory(FREE) == 0


@given(same=st.booleans(), store=st.integers(0, 10**12), engine=st.integers(0, 10**12), fetch=st.integers(0, 10**11), load=st.integers(0, 10**11))
def test_room_is_short_exactly_when_it_is(same: bool, store: int, engine: int, fetch: int, load: int) -> None:
    unpacked = int(load * builder.UNPACKED)
    found = builder.disk((1, store), (1 if same else 2, engine), fetch, load)
    expected = [store < fetch + unpacked] if same else [store < fetch, engine < unpacked]
    assert len(found) == sum(expected) and all("make room" in line for line in found)
