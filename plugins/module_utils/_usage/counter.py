# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Follows one running total that may fall: least and most that it can have counted. Pure. Normative text: docs/ledger.md.

This file is private to the collection.
"""

from __future__ import annotations

import typing as t
from decimal import Context, Decimal

EXACT = Context(prec=120)  # sums of 36-digit numbers stay exact
ZERO = Decimal(0)


class Interval(t.NamedTuple):
    """Least and most that the truth can be."""

    low: Decimal
    high: Decimal

    def plus(self, other: Interval) -> Interval:
        """Sum of two independent intervals."""
        return Interval(EXACT.add(self.low, other.low), EXACT.add(self.high, other.high))

    @property
    def certain(self) -> bool:
        """Whether both ends are equal."""
        return self.low == self.high


NOTHING = Interval(ZERO, ZERO)


class Counter:
    """Follows one running total and shares it out.

    ``low`` and ``high`` map a share to the least and most that is its own; ``peak`` is the highest value seen since the last new beginning
    that is known; ``unsure`` is how much more it can be when a fall that was taken for incomplete answers was none.
    """

    __slots__ = ("_high", "_high_before", "_low", "_low_before", "_restored", "_rose", "last", "peak", "unsure")

    def __init__(self) -> None:
        self._low: dict[t.Any, Decimal] = {}
        self._high: dict[t.Any, Decimal] = {}
        self._low_before: dict[t.Any, Decimal] = {}
        self._high_before: dict[t.Any, Decimal] = {}
        self._restored = self._rose = False
        self.peak = self.last = self.unsure = ZERO

    @classmethod
    def grown(cls, value: Decimal, share: t.Any) -> Counter:
        """One that saw nothing but growth up to ``value`` under one share."""
        counter = cls()
        counter._low, counter._high = {share: value}, {share: value}
        counter.peak = counter.last = value
        return counter

    def see(self, value: Decimal, share: t.Any) -> None:
        """Take the next value, reported under ``share``."""
        if self._restored:
            # How much of it was there already cannot be known: nothing at least, all of it at most.
            _add(self._low_before, share, ZERO)
            _add(self._high_before, share, value)
            self._restored = False
            self.peak = self.last = value
            return
        if value >= self.peak == self.last:
            # The ordinary case: nothing ever fell, or what fell is settled.
            for shares in (self._low, self._high):
                _add(shares, share, EXACT.subtract(value, self.peak))
            self.peak = self.last = value
            return
        grown = EXACT.subtract(value, self.last) if value >= self.last else value
        if value >= self.peak:
            # The total is back where it was or higher: what looked like a new beginning was an incomplete answer.
            otherwise = EXACT.add(exact_sum(self._high.values()), grown)
            _add(self._low, share, EXACT.subtract(value, self.peak))
            if self._rose:
                self.unsure = EXACT.add(self.unsure, EXACT.subtract(otherwise, exact_sum(self._low.values())))
                self._rose = False
            self._high = dict(self._low)
            self.peak = value
        else:
            self._rose = self._rose or self.last < value
            self._low.setdefault(share, ZERO)
            _add(self._high, share, grown)
        self.last = value

    def restart(self, restored: bool) -> None:
        """The counter is known to begin again: at zero, or at some former value when its folder was ``restored`` from a copy."""
        for before, now in ((self._low_before, self._low), (self._high_before, self._high)):
            for share, value in now.items():
                _add(before, share, value)
        self._low, self._high = {}, {}
        self.peak = self.last = ZERO
        self._rose, self._restored = False, restored

    @property
    def low(self) -> dict[t.Any, Decimal]:
        """Least of each share."""
        return _merged(self._low_before, self._low) if self._low_before else self._low

    @property
    def high(self) -> dict[t.Any, Decimal]:
        """Most of each share."""
        return _merged(self._high_before, self._high) if self._high_before else self._high

    @property
    def in_doubt(self) -> bool:
        """Whether a decrease or a new beginning is unexplained."""
        return self.last < self.peak or self._low_before != self._high_before

    @property
    def total(self) -> Interval:
        """Interval over all shares."""
        return Interval(exact_sum(self.low.values()), exact_sum(self.high.values()))


def _merged(one: t.Mapping[t.Any, Decimal], other: t.Mapping[t.Any, Decimal]) -> dict[t.Any, Decimal]:
    result = dict(one)
    for share, value in other.items():
        _add(result, share, value)
    return result


def _add(shares: dict[t.Any, Decimal], share: t.Any, value: Decimal) -> None:
    shares[share] = EXACT.add(shares.get(share, ZERO), value)


def exact_sum(values: t.Iterable[Decimal]) -> Decimal:
    """Sum without rounding."""
    result, *rest = values or (ZERO,)
    for value in rest:
        result = EXACT.add(result, value)
    return result


def plain(value: Decimal) -> str:
    """A Decimal without exponent and without trailing zeros."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
