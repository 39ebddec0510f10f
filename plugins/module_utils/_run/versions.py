# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of two Debian versions is the older one, as Debian's policy (chapter 5.6.12) compares them.

This file is private to the collection.
"""

from __future__ import annotations

import re
import typing as t

_PIECES = re.compile(r"(\D*)(\d*)")


def older(one: str, other: str) -> bool:
    """Whether ``one`` is older than ``other``."""
    return _key(one) < _key(other)


def _key(version: str) -> tuple[t.Any, ...]:
    """What sorts as versions do: epoch, upstream's version, Debian's revision."""
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "0", version
    upstream, _dash, revision = rest.rpartition("-") if "-" in rest else (rest, "", "")
    return int(epoch) if epoch.isdigit() else 0, _part(upstream), _part(revision)


def _part(text: str) -> tuple[t.Any, ...]:
    """Texts and numbers in turn. Text sorts with ``~`` before its end, letters before other signs."""
    return tuple((tuple(_order(sign) for sign in text_) + (0,), int(number or 0)) for text_, number in _PIECES.findall(text) if text_ or number) + (((0,), 0),)


def _order(sign: str) -> int:
    if sign == "~":
        return -1
    return ord(sign) if sign.isalpha() else ord(sign) + 256
