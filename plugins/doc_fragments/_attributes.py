# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What check mode, diff mode, idempotence and platform mean here.

This file is private to the collection.
"""

from __future__ import annotations


class ModuleDocFragment:
    """A module lists the parts it needs and adds its own C(support) or C(details) where they differ."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return what it would do without changing anything.
  diff_mode:
    description: Returns what changed, or would change in check mode, when run with C(--diff).
  idempotent:
    description: When run a second time with the same inputs and outside state, changes nothing and says so.
  platform:
    description: Where the module's code can run.
    platforms: posix
    support: full
"""

    INFO = r"""
options: {}
attributes:
  check_mode:
    support: full
    details:
      - Changes nothing in any mode.
  diff_mode:
    support: N/A
    details:
      - Changes nothing in any mode.
  idempotent:
    support: full
"""
