# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calendar months in UTC as ``YYYY-MM`` strings, which sort as they follow.

This file is private to the collection.
"""

from __future__ import annotations

import re
import typing as t
from datetime import datetime, timedelta, timezone

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError

ALL = "all"  # the scope that is no month
MAX_MONTHS = 240
_MONTH = re.compile(r"(20[0-9]{2})-(0[1-9]|1[0-2])")
_WRITTEN = "%Y-%m-%dT%H:%M:%SZ"
_GRACE = timedelta(days=1)  # nobody documents the time zone a container counts its months in


def is_month(text: t.Any) -> bool:
    """Whether ``text`` is a month between 2000-01 and 2099-12."""
    return isinstance(text, str) and _MONTH.fullmatch(text) is not None


def is_scope(text: t.Any) -> bool:
    """Whether ``text`` is ``all`` or a month."""
    return text == ALL or is_month(text)


def is_moment(text: t.Any) -> bool:
    """Whether ``text`` is a time in UTC as the ledger writes it."""
    if not isinstance(text, str) or len(text) != 20:
        return False
    try:
        datetime.strptime(text, _WRITTEN)
    except ValueError:
        return False
    return True


def now() -> str:
    """This second in UTC, ``YYYY-MM-DDTHH:MM:SSZ``."""
    return datetime.now(timezone.utc).strftime(_WRITTEN)


def ago(moment: str, seconds: int) -> str:
    """The moment that many seconds before ``moment``."""
    return (datetime.strptime(moment, _WRITTEN) - timedelta(seconds=seconds)).strftime(_WRITTEN)


def back(month: str, count: int) -> str:
    """The month ``count`` months before ``month``."""
    number = int(month[:4]) * 12 + int(month[5:7]) - 1 - count
    return f"{number // 12:04d}-{number % 12 + 1:02d}"


def span(since: t.Optional[str], until: t.Optional[str], today: str) -> list[str]:
    """Months from ``since`` to ``until``, both inclusive; one given alone runs to (or is) the month of ``today``.

    :raises InputError: not a month, the wrong way round, or more than MAX_MONTHS.
    """
    if not since and not until:
        return []
    for name, value in (("since", since), ("until", until)):
        if value and not is_month(value):
            raise InputError(f"{name} {value!r}", "not a month", "write it as YYYY-MM")
    last = until or today[:7]
    first = since or last
    count = (int(last[:4]) - int(first[:4])) * 12 + int(last[5:7]) - int(first[5:7])
    if count < 0:
        raise InputError(f"since {first}", f"later than until {last}")
    if count >= MAX_MONTHS:
        raise InputError(f"since {first}", f"{count + 1} months, more than {MAX_MONTHS}")
    return [back(last, index) for index in range(count, -1, -1)]


def is_over(month: str, moment: str) -> bool:
    """Whether ``month`` has ended in every time zone at ``moment`` (``YYYY-MM-DDTHH:MM:SSZ``)."""
    following = back(month, -1)
    end = datetime(int(following[:4]), int(following[5:7]), 1) + _GRACE
    return moment >= end.strftime("%Y-%m-%dT%H:%M:%SZ")
