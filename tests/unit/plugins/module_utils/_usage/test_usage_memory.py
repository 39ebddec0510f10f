# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is remembered from one append to the next, and when it is forgotten. With a ledger: test_usage_intake."""

from __future__ import annotations

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.memory import Memory


def filled() -> Memory:
    made = Memory()
    made.begin(("a", "b"))
    made.last["series"] = ("5",)
    made.end(("c", "d"))
    return made


@pytest.mark.parametrize(("heads", "known"), [(("c", "d"), True), (("x", "d"), False), (("c", "x"), False), (("a", "b"), False)])
def test_it_holds_while_both_chains_end_where_the_append_before_ended_them(heads: tuple[str, str], known: bool) -> None:
    made = filled()
    made.begin(heads)
    assert bool(made.last) is known


def test_an_append_that_does_not_end_leaves_nothing_known() -> None:
    made = filled()
    made.begin(("c", "d"))
    made.last["other"] = ("6",)
    made.begin(("c", "d"))
    assert made.last == {}
