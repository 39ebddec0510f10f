# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation of the action names what the action reads. (What it does: tests/unit/plugins/action/test_usage_spool.py.)"""

from __future__ import annotations

import yaml

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import spool
from ansible_collections.airgap.azure_ai.plugins.modules import usage_spool


def test_options_that_stay_on_the_control_node_are_documented() -> None:
    options = yaml.safe_load(usage_spool.DOCUMENTATION)["options"]
    assert set(spool._OWN) <= set(options)
    assert {name for name, option in options.items() if option.get("required")} == {"spool", "site", "harvest"}


def test_counts_are_what_is_returned() -> None:
    returned = yaml.safe_load(usage_spool.RETURN)
    assert set(returned) == {"targets", *spool.counts({"readings": [], "failures": []})}
