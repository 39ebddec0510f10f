# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a site's store knows of the bundles that it accepted: when the last one was made, and which bytes were taken in before.

This file is private to the collection.
"""

from __future__ import annotations

import calendar
import glob
import os
import time
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import MAX_BYTES, parse
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.files import read_regular
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store

Record = dict[str, t.Any]


def folder(store: Store, site: str, sequence: int) -> str:
    """Where the receipts of a bundle are laid out by name; with ``.json`` behind it, its manifest."""
    return os.path.join(store.path, "received", f"{site}-{sequence}")


def earliest(path: str | None) -> int | None:
    """When the bundle that the store at ``path`` accepted last was made, in seconds since the epoch: no clock is earlier than that."""
    store = Store(path) if path else None
    return last_made(store, store.holdings()) if store else None


def last_made(store: Store, held: Record) -> int | None:
    """The same for a store that holds ``held``; None when it accepted none."""
    last = held["bundles"].get(held["site"])
    path = f"{folder(store, held['site'], last['sequence'])}.json" if last else ""
    return seconds(parse(read_regular(path, MAX_BYTES), path)["created"]) if os.path.exists(path) else None


def before(path: str | None, manifest: str) -> bool:
    """Whether the store at ``path`` accepted just the bytes of the file ``manifest`` before, whoever signed them.

    Nothing of the file is parsed: it may be nobody's that is trusted today.
    """
    store = Store(path) if path else None
    last = store.holdings()["bundles"] if store else {}
    if not store or not last:  # manifests that a backup brought back are no bundles that the store has
        return False
    try:
        data = read_regular(manifest, MAX_BYTES)
    except (AirgapError, OSError):
        return False
    kept = glob.glob(os.path.join(glob.escape(store.path), "received", "*.json"))
    return any(os.path.getsize(name) == len(data) and read_regular(name, MAX_BYTES) == data for name in kept)


def seconds(moment: str) -> int:
    """``YYYY-MM-DDTHH:MM:SSZ`` in seconds since the epoch."""
    try:
        return calendar.timegm(time.strptime(moment, "%Y-%m-%dT%H:%M:%SZ"))
    except ValueError as exc:
        raise InputError(f"time {moment}", "there is no such day or hour", "have the bundle built again") from exc
