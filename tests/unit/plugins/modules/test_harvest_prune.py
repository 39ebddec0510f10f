# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation of the action names what the action reads. (What it does: tests/unit/plugins/action/test_action_harvest_prune.py.)"""

from __future__ import annotations

import yaml

from ansible_collections.airgap.azure_ai.plugins.modules import harvest_prune


def test_options_and_results_are_documented() -> None:
    assert set(yaml.safe_load(harvest_prune.DOCUMENTATION)["options"]) == {"path", "keep_months"}
    assert set(yaml.safe_load(harvest_prune.RETURN)) == {"removed", "msg"}
