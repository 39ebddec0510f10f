# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""host_prune: check mode tells what the real run does, and a second run has nothing to do."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.names import local_image
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import deployed, releases
from ansible_collections.airgap.azure_ai.plugins.modules import host_prune
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._run.imitations import FakeEngine, Image, release

OLD, NEW, NEWEST = Image(b"1"), Image(b"2"), Image(b"3")


def stage(root: Path, fake: FakeEngine) -> list[str]:
    """Three releases of a container; their IDs."""
    ids = []
    for image in (OLD, NEW, NEWEST):
        found = release(image)
        releases.stage(str(root), "sent-en", found, b"license", (0, 0))
        fake.images[local_image("sentiment", image.record["manifest"])] = {"Id": image.record["config"], "RootFS": {"Layers": []}, "broken": False}
        ids.append(found["id"])
    return ids


def test_the_former_release_goes(fake: FakeEngine, tmp_path: Path, run: t.Callable[..., dict[str, t.Any]]) -> None:
    old, new, newest = stage(tmp_path, fake)
    folder = tmp_path / "containers/sent-en"
    os.symlink(f"releases/{new}", folder / "current")
    os.symlink(f"releases/{old}", folder / "previous")
    given = {"root": str(tmp_path), "docker_socket": fake.path, "switch": {"sent-en": newest}}
    told = run(host_prune.main, check=True, **given)
    assert told["changed"] and told["releases"] == [["sent-en", old]]
    assert (folder / "releases" / old).exists() and len(fake.images) == 3

    for name, target in (("current", newest), ("previous", new)):
        (folder / name).unlink()
        os.symlink(f"releases/{target}", folder / name)
    done = run(host_prune.main, **given)
    assert (done["releases"], done["images"]) == (told["releases"], told["images"]) and len(done["images"]) == 1
    assert set(deployed.containers(str(tmp_path))["sent-en"]["releases"]) == {new, newest}
    assert set(fake.images) == {local_image("sentiment", image.record["manifest"]) for image in (NEW, NEWEST)}
    assert run(host_prune.main, **given)["changed"] is False


def test_an_engine_that_is_down(tmp_path: Path, run: t.Callable[..., dict[str, t.Any]]) -> None:
    result = run(host_prune.main, root=str(tmp_path), docker_socket=str(tmp_path / "none"))
    assert result["failed"] and "no such socket" in result["msg"]
