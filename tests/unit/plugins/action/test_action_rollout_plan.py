# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What rollout_plan reads on the control node before it asks a host."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.airgap.azure_ai.plugins.action.rollout_plan import authority, measured
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._run.imitations import Image, item


def test_words_around_a_certificate_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("für die Prüfung\n-----BEGIN CERTIFICATE-----\n", encoding="utf-8")
    assert "-----BEGIN CERTIFICATE-----" in authority(str(tmp_path / "ca.crt"))
    (tmp_path / "ca.crt").write_bytes(b"f\xfcr die Pr\xfcfung\n-----BEGIN CERTIFICATE-----\n")
    assert "-----BEGIN CERTIFICATE-----" in authority(str(tmp_path / "ca.crt"))
    assert authority(str(tmp_path / "none")) == "" and authority(str(tmp_path)) == ""


def test_a_rollout_walks_through_the_folders_of_those_that_log_there_alone() -> None:
    quiet, logging = item(Image(b"x"), name="quiet"), item(Image(b"x"), name="logging", disk_logging={"max_file_mb": 1, "warn_above_mb": 1})
    without = item(Image(b"x"), name="without", entry_more={"mounts": {}})
    assert measured([quiet, logging, without], False) == ["logging"]
    assert measured([quiet, logging, without], True) == ["quiet", "logging"]
