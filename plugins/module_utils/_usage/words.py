# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers and dates as people read them, the same on every page and in every finding. Pure.

This file is private to the collection.
"""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import months as calendar

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def number(text: str) -> str:
    """Digits in groups of three by a narrow no-break space: no locale reads that as a decimal sign."""
    whole, point, fraction = text.partition(".")
    sign, digits = ("-", whole[1:]) if whole.startswith("-") else ("", whole)
    return sign + f"{int(digits or 0):,}".replace(",", "\u202f") + point + fraction


def span(pair: t.Sequence[str]) -> str:
    """The least and the most; one number when they are equal."""
    return number(pair[0]) if pair[0] == pair[1] else f"{number(pair[0])} to {number(pair[1])}"


def day(text: str) -> str:
    """``2026-12-31`` as 31 Dec 2026."""
    found = datetime.date.fromisoformat(text[:10])
    return f"{found.day}\u00a0{MONTHS[found.month - 1]}\u00a0{found.year}"


def month(text: str) -> str:
    """``2026-12`` as Dec 2026; anything else as it is."""
    return f"{MONTHS[int(text[5:]) - 1]}\u00a0{text[:4]}" if calendar.is_month(text) else text


def moment(text: str) -> str:
    """``2026-12-31T01:02:03Z`` as 31 Dec 2026, 01:02 UTC."""
    return f"{day(text)}, {text[11:16]}\u00a0UTC" if text.endswith("Z") else text


def count(amount: int, thing: str) -> str:
    """An amount of things: 1 day, 2 days."""
    return f"{amount}\u00a0{thing}{'' if amount == 1 else 's'}"


def some(names: t.Sequence[str], shown: int = 4) -> str:
    """The first names, and how many more there are."""
    more = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {more} more" if more > 0 else "")
