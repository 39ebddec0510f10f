# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages are explained as the guide explains them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._run import messages

GUIDE = Path(__file__).resolve().parents[5] / "docs" / "troubleshooting.md"


@pytest.mark.parametrize("message", messages.MESSAGES, ids=lambda message: message.quote)
def test_the_guide_says_the_same(message: messages.Message) -> None:
    rows = [line for line in GUIDE.read_text().splitlines() if line.startswith("|") and message.quote.lower() in line.lower()]
    assert rows, "the guide does not quote it"
    assert any(message.command in row for row in rows), f"the guide gives another command: {rows}"


@pytest.mark.parametrize(
    ("log", "quotes"),
    [
        ("The provided license path was not found. Please ensure a volume is mounted", ["The provided license path was not found"]),
        ("fatal: Container does not have a valid disconnected container license", ["Container does not have a valid disconnected container license"]),
        ("System.UnauthorizedAccessException: Access to the path '/output/x' is denied.", ["permission denied"]),
        ("Endpoint connection failed with status 'Invalid'", ["Endpoint connection failed with status 'Invalid'"]),
        ("write: No space left on device\nPermission denied", ["permission denied", "no space left on device"]),
        ("Now listening on: http://0.0.0.0:5000\nApplication started.", []),
    ],
)
def test_logs_are_explained(log: str, quotes: list[str]) -> None:
    assert [message.quote for message in messages.explain(log)] == quotes
