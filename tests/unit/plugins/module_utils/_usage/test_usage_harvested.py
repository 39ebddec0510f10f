# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of a harvest: worst first, one line for each container."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import harvested


def failure(kind: str, scopes: list[str], container: str = "stt", reason: str = "no connection") -> dict[str, t.Any]:
    return {"host": "h1", "container": container, "kind": kind, "reason": reason, "scopes": scopes}


@pytest.mark.parametrize(
    ("answers", "failures", "outcome"),
    [
        ((1, 13, 2), [], "read"),
        ((1, 12, 0), [failure("no_answer", ["2026-01"])], "partly"),
        ((0, 0, 0), [failure("no_answer", ["all"])], "no answer"),
        ((0, 0, 0), [failure("bad_answer", ["all"]), failure("no_answer", ["2026-01"])], "bad answer"),
    ],
)
def test_outcome_of_a_container(answers: tuple[int, int, int], failures: list[dict[str, t.Any]], outcome: str) -> None:
    row = harvested.rows({("h1", "stt"): answers}, failures)[0]
    assert (row["outcome"], row["months"], row["new"]) == (outcome, answers[1], answers[2])
    assert harvested.missing([row]) == (0 if outcome == "read" else 1)


def test_what_is_worse_comes_first_and_problems_are_words() -> None:
    failures = [failure("no_answer", ["2026-01", "2026-02", "all"], "z"), failure("bad_answer", ["2026-01"], "y", "HTTP 500")]
    failures.append(failure("bad_spool", [], ""))
    table = harvested.rows({("h1", "a"): (1, 2, 3), ("h1", "y"): (1, 1, 0), ("h1", "z"): (0, 0, 0)}, failures)
    assert [row["container"] for row in table] == ["z", "y", "a"]
    assert [row["problem"] for row in table] == ["no connection (all time, 2 months from 2026-01)", "HTTP 500 (2026-01)", ""]


def test_lines_stand_in_columns_and_say_what_they_leave_out() -> None:
    table = harvested.rows({("host", f"c{number}"): (1, 13, number) for number in range(4)}, [])
    lines = harvested.lines(table, 2)
    assert lines == [
        "host  container  outcome  months  new  problem",
        "host  c0         read     13      0",
        "host  c1         read     13      1",
        "and 2 more, all read",
    ]
    assert harvested.lines([]) == []
