# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long licenses still serve, in the same words everywhere: what nobody declared is amber, never green.

This file is private to the collection.
"""

from __future__ import annotations

import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._run import checks, entries


def level(days: t.Optional[int]) -> str:
    """``ok``, ``amber`` (soon, or unknown) or ``ended``."""
    if days is None:
        return "amber"
    if days < 0:
        return "ended"
    return "amber" if days <= checks.LICENSE_SOON else "ok"


def words(what: str, days: t.Optional[int]) -> str:
    """A line for people."""
    told = "unknown days left" if days is None else f"ended {-days} days ago" if days < 0 else f"{days} days left"
    return f"{what}: {told} ({level(days)})"


def first(found: t.Sequence[t.Mapping[str, t.Any]]) -> t.Optional[str]:
    """Of ``rows`` the one that ends first, in words; one of which nobody knows only where none is known. None without any."""
    if not found:
        return None
    row = min(found, key=lambda row: (row["days"] is None, row["days"] or 0))
    return f"{row['line']}{f', ends first of {len(found)}' if len(found) > 1 and row['days'] is not None else ''}"


def rows(containers: t.Iterable[t.Mapping[str, t.Any]], now: str) -> list[dict[str, t.Any]]:
    """{container, release, days, level, line} of each container that needs a license and has a release.

    :param containers: those of the wish that ``plan`` takes
    """
    found = []
    for item in containers:
        if item["release"] is None or not entries.licensed(item["entry"]):
            continue
        name, days = item["declaration"]["name"], checks.license_days(item["release"], now)
        found.append({"container": name, "release": item["release"]["id"], "days": days, "level": level(days), "line": words(f"license of {name}", days)})
    return found
