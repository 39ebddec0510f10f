# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Metrics and alert rules, read by Prometheus' own parser."""

from __future__ import annotations

import datetime
import re
import typing as t

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import metrics

EVIL = 'a"b\\c\nd{} # HELP x'


def report(name: str = "stt", ends: t.Optional[str] = "2026-12-30", units: t.Optional[list[str]] = None) -> dict[str, t.Any]:
    place = {"site": "plant-7", "host": "h1", "container": name}
    forecast = {"units": units, "likely": units and units[1], "runs_out": [None, None]}
    plan = {
        "resource": "r0",
        "meters": ["*"],
        "start": "2026-01-01",
        "end": "2026-12-31",
        "granted": "100",
        "used_adjusted": ["40", "50.5"],
        "forecast": forecast,
    }
    return {
        "format": 2,
        "totals": [{"site": "plant-7", "service": "s", "resource": "r0", "meter": name, "units": ["40", "50.5"]}],
        "adjusted": [{"site": "plant-7", "service": "s", "resource": "r0", "meter": name, "month": "2026-01", "adjusted": "-3"}],
        "findings": [{"level": "bad"}, {"level": "warn"}, {"level": "warn"}],
        "chain": {"verified": True, "walked": {"on": "2026-11-20", "rows": 9} if ends else None},
        "coverage": [{**place, "problem": None, "last_look": "2026-03-10T00:00:00Z", "last_answer": None}],
        "fleet": [{"site": "plant-7", "by_export": True, "heard_of": "2026-03-10T00:00:00Z"}],
        "commitments": [plan],
        "licenses": [{**place, "service": "s", "tag": "1", "release": "r", "license_ends": ends}],
    }


def samples(value: dict[str, t.Any]) -> dict[str, list[t.Any]]:
    families = list(text_string_to_metric_families(metrics.textfile(value).decode()))
    assert all(family.type == "gauge" and family.documentation for family in families)
    return {family.name.removeprefix(metrics.PREFIX): family.samples for family in families}


@settings(max_examples=60)
@given(st.one_of(st.just(EVIL), st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\x85\u2028\u2029\x0b\x0c\x1c\x1d\x1e"), max_size=30)))
def test_labels_survive_whatever_they_hold(name: str) -> None:
    found = samples(report(name))
    assert found["usage_units"][0].labels["meter"] == name
    assert {sample.labels["bound"]: sample.value for sample in found["usage_units"]} == {"low": 40, "high": 50.5}


def test_what_nobody_knows_has_no_sample() -> None:
    found = samples(report(ends=None))
    assert found["license_end_timestamp_seconds"] == []
    assert found["ledger_chain_walked_timestamp_seconds"] == []
    assert [sample.value for sample in found["license_end_unknown"]] == [1]
    assert found["commitment_forecast_units"] == []
    assert found["container_last_answer_timestamp_seconds"] == []
    known = samples(report(units=["90", "120"]))
    assert [sample.value for sample in known["license_end_unknown"]] == [0]
    assert {sample.labels["bound"]: sample.value for sample in known["commitment_forecast_units"]} == {"low": 90, "likely": 120, "high": 120}


def test_a_license_lasts_to_the_end_of_its_last_day_and_a_walk_counts_from_the_first_moment_of_its_own() -> None:
    assert samples(report())["ledger_chain_walked_timestamp_seconds"][0].value == datetime.datetime(2026, 11, 20, tzinfo=datetime.timezone.utc).timestamp()
    (sample,) = samples(report())["license_end_timestamp_seconds"]
    assert sample.value == datetime.datetime(2026, 12, 31, tzinfo=datetime.timezone.utc).timestamp()


def test_names_follow_the_conventions() -> None:
    for name in metrics.HELP:
        assert re.fullmatch(r"[a-z][a-z_]*[a-z]", name)
        assert not name.endswith(("_total", "_count", "_sum", "_bucket")), "those are for counters and histograms"
        assert ("timestamp" in name) == name.endswith("_timestamp_seconds")


def test_rules_use_metrics_that_exist() -> None:
    groups = yaml.safe_load(metrics.RULES)["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules) >= 10
    for rule in rules:
        named = set(re.findall(r"azure_ai_(\w+)", rule["expr"]))
        assert named
        assert named <= set(metrics.HELP), rule["alert"]
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"]
