# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one append of a site need not ask the ledger again after another. This file is private to the collection."""

from __future__ import annotations

import typing as t


class Memory:
    """What appends of one site in turn know of rows that are there. It holds while both chains end where the append before ended them."""

    def __init__(self) -> None:
        self._heads: t.Optional[tuple[str, str]] = None
        self._clear()

    def _clear(self) -> None:
        self.looks: dict[str, set[tuple[str, str, str, str]]] = {}  # by harvest
        self.last: dict[str, tuple[t.Any, ...]] = {}  # value by series
        self.series: dict[tuple[str, str, str, str, str], str] = {}

    def begin(self, heads: tuple[str, str]) -> None:
        """Forget what somebody else may have added to, or what was never committed: an append that does not come to ``end`` leaves nothing known."""
        if heads != self._heads:
            self._clear()
        self._heads = None

    def end(self, heads: tuple[str, str]) -> None:
        """What is known now holds for these heads."""
        self._heads = heads
