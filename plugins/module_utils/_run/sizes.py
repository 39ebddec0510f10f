# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes as people write them in an inventory, and as engines take them.

This file is private to the collection.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError

_UNITS = {"": 1, "b": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}
_MEMORY = re.compile(r"(\d+(?:\.\d+)?)\s*([bkmgt]?)(?:i?b)?", re.IGNORECASE)


def memory(value: t.Any) -> int:
    """Bytes of ``8g``, ``512m``, ``1073741824``: Docker's units, powers of 1024."""
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    match = _MEMORY.fullmatch(value.strip()) if isinstance(value, str) else None
    size = int(float(match[1]) * _UNITS[match[2].lower()]) if match else 0
    if size <= 0:
        raise InputError(f"memory {value!r}", "not a size", "write it like 8g or 512m")
    return size


def cpus(value: t.Any) -> t.Union[int, float]:
    """A positive number of CPUs; whole ones as int, so that 8 and 8.0 are one value."""
    try:
        number = float(value) if not isinstance(value, bool) else 0.0
    except (TypeError, ValueError):
        number = 0.0
    if not 0 < number < 10000:
        raise InputError(f"cpus {value!r}", "not a number of CPUs", "write it like 8 or 1.5")
    return int(number) if number == int(number) else number


def gib(size: int) -> str:
    """Bytes for people who write ``8g``."""
    value = size / _UNITS["g"]
    return f"{value:.0f}g" if value == int(value) else f"{value:.1f}g"
