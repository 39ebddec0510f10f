# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Room on a disk, asked for before the first byte is written; and a disk that fills up all the same.

This file is private to the collection.
"""

from __future__ import annotations

import contextlib
import os
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import FULL, InputError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.progress import human

RESERVE = 64 * 1024 * 1024  # bytes that must stay free: lists, logs, and whatever else lives on that disk


def check(what: str, folder: str, needed: int) -> None:
    """Raise InputError when ``needed`` bytes do not fit the disk of ``folder``; none always do.

    :param what: how the error names it, such as ``store /srv/azure-ai/store``
    """
    info = os.statvfs(folder)
    free = info.f_bavail * info.f_frsize
    if needed and needed + RESERVE > free:
        problem = f"{human(needed)} ({needed} bytes) are to be written and {human(free)} ({free}) are free on its disk, where {human(RESERVE)} must stay free"
        raise InputError(what, problem, "make room and run again")


@contextlib.contextmanager
def told(what: str) -> t.Iterator[None]:
    """Let a disk that fills up while the block writes be an InputError that names ``what``."""
    try:
        yield
    except OSError as exc:
        if exc.errno in FULL:
            raise InputError(what, f"no space left on its disk ({exc.strerror})", "make room and run again: what is whole stays") from exc
        raise
