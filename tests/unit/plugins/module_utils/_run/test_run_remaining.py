# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Days left, in one voice."""

from __future__ import annotations

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._run import remaining
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._run.imitations import Image, declaration, release


@pytest.mark.parametrize(
    ("days", "level", "words"),
    [
        (None, "amber", "x: unknown days left (amber)"),
        (31, "ok", "x: 31 days left (ok)"),
        (30, "amber", "x: 30 days left (amber)"),
        (0, "amber", "x: 0 days left (amber)"),
        (-2, "ended", "x: ended 2 days ago (ended)"),
    ],
)
def test_level_and_words(days: int | None, level: str, words: str) -> None:
    assert (remaining.level(days), remaining.words("x", days)) == (level, words)


def test_rows_are_of_containers_that_need_a_license() -> None:
    image = Image(b"x")
    item = {"declaration": declaration(image=image), "entry": {"online": [{"produces": ["license"]}]}, "release": release(image)}
    free = {**item, "entry": {"online": []}}
    rows = remaining.rows([item, free, {**item, "release": None}], "2026-12-01T00:00:00Z")
    assert [(row["container"], row["days"], row["level"]) for row in rows] == [("sent-en", 30, "amber")]
    assert rows[0]["line"] == "license of sent-en: 30 days left (amber)"


@pytest.mark.parametrize(
    ("days", "told"),
    [
        ([], None),
        ([31], "license of c0: 31 days left (ok)"),
        ([31, 0, 5], "license of c1: 0 days left (amber), ends first of 3"),
        ([31, -2], "license of c1: ended 2 days ago (ended), ends first of 2"),
        ([None, 31], "license of c1: 31 days left (ok), ends first of 2"),
        ([None, None], "license of c0: unknown days left (amber)"),
    ],
)
def test_which_ends_first(days: list[int | None], told: str | None) -> None:
    rows = [{"days": each, "line": remaining.words(f"license of c{place}", each)} for place, each in enumerate(days)]
    assert remaining.first(rows) == told
