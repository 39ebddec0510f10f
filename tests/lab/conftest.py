# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One walk of the whole road for all tests of this folder, at the highest verbosity and cut off once in the middle."""

from __future__ import annotations

import shutil
import typing as t

import pytest

from tests.lab import lab, road

# One lab serves all: who only looks comes before who adds to it, and who takes away comes last.
ORDER = (
    "refusals",
    "road",
    "packages",
    "exchange",
    "carry",
    "unproven",
    "switch",
    "faults",
    "engine",
    "services",
    "unknowns",
    "elsewhere",
    "foreign",
    "harvest_timer",
    "front",
    "adopt",
    "registry",
    "lost_control",
    "leave",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the files in this order, any other after them."""
    places = {f"test_{name}": place for place, name in enumerate(ORDER)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


@pytest.fixture(scope="session")
def fresh() -> t.Iterator[None]:
    """A lab that has never been used, gone afterwards."""
    lab.down()
    shutil.rmtree(road.LOGS, ignore_errors=True)
    lab.up()
    yield
    lab.down()


@pytest.fixture(scope="session")
def walked(fresh: None) -> dict[str, str]:
    """Name of the step to everything that it printed."""
    road.init()
    outputs = {"bundle": road.bundle("-vvvv")}
    road.carry()
    outputs["receive"] = road.receive("-vvvv")
    # Engine packages are on their way to the hosts, or being installed, when this one dies.
    with pytest.raises(road.Refused) as killed:
        road.playbook(road.CONTROL, "rollout", kill_after=14, log="rollout-killed")
    outputs["killed"] = killed.value.output
    outputs["rollout"] = road.rollout("-vvvv")
    road.traffic()
    outputs["harvest"] = road.harvest("-vvvv")
    outputs["report"] = road.report("-vvvv")
    return outputs
