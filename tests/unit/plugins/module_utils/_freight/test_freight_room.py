# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import room


def test_what_does_not_fit_is_told_with_what_is_needed_and_what_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = os.statvfs(tmp_path)
    monkeypatch.setattr(room.os, "statvfs", lambda _folder: found)
    free = found.f_bavail * found.f_frsize
    for needed in (0, 1, free - room.RESERVE):
        room.check("store x", str(tmp_path), needed)
    needed = free - room.RESERVE + 1
    with pytest.raises(InputError, match=rf"^store x: .* \({needed} bytes\) are to be written and .* \({free}\) are free on its disk.*make room"):
        room.check("store x", str(tmp_path), needed)


def test_a_disk_that_fills_up_is_named_and_nothing_else_is_taken_for_one() -> None:
    with pytest.raises(InputError, match="^store x: no space left on its disk .*make room and run again"), room.told("store x"):
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(PermissionError), room.told("store x"):
        raise PermissionError(errno.EACCES, "Permission denied")
