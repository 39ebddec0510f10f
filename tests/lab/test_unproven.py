# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container that starts and never works: the rollout fails in words, goes on failing, and a mended declaration heals it.

Once with something to go back to, once without.
"""

from __future__ import annotations

import json

import pytest

from tests.lab import road, settings
from tests.lab.overlay import SENTIMENT, TRANSLATOR
from tests.lab.shell import inside

FOLDER = "/var/lib/azure-ai/containers/sentiment"


def broken_rollout() -> str:
    """Roll out with a sentiment container that is not ready for hours; return the words of the failure."""
    declared = [TRANSLATOR, {**SENTIMENT, "settings": {"SIM_READY_AFTER": "9999"}}]
    values = {"azure_ai_containers__text": declared, "containers_ready_seconds": 16}
    with pytest.raises(road.Refused) as caught:
        road.rollout("--limit", "text-1", "-e", json.dumps(values), log="rollout-unproven")
    assert "Traceback" not in caught.value.output
    return caught.value.output


def started(name: str) -> str:
    """When the container on text-1 was started."""
    return next(found["State"]["StartedAt"] for found in road.containers("text-1") if found["Name"] == f"/{name}")


def test_a_container_that_never_works_fails_every_rollout_until_it_is_mended(walked: dict[str, str]) -> None:
    translator, speech = started("translator"), road.containers("speech-1")[0]["State"]["StartedAt"]
    output = broken_rollout()
    assert "text-1: container sentiment: wait until it is ready failed" in output and "log ends with" in output
    assert "rolled back: " in output and "it failed on" in broken_rollout(), "it is tried again, and what it did is told"
    # As if the container had never worked: there is nothing to go back to, so it stays as it is, and is not passed over.
    inside(settings.host("text-1").container, "sh", "-c", f"cd {FOLDER} && rm -f proven.json former.json rollback.json")
    assert "not rolled back: nothing has proved itself here before" in broken_rollout()
    assert "it has not proved that it works" in broken_rollout()
    healed = road.rollout(log="rollout-healed")
    assert road.changes(healed)["text-1"] > 0 and road.changes(healed)["speech-1"] == 0
    assert set(road.changes(road.rollout(log="rollout-healed-again")).values()) == {0}
    assert (started("translator"), road.containers("speech-1")[0]["State"]["StartedAt"]) == (translator, speech), "what is unchanged is not touched"
    assert inside(settings.host("text-1").container, "ls", f"{FOLDER}/output/sentiment") == "sentiment", "one reporter, whatever was started anew"
