# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""image_load against engines that are real: the machine's own, one of version 26, and that one with the containerd store."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.names import local_image
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import inside, layers
from tests.integration.engines import KINDS, Built, Private, build

MB = 1000**2
LIMIT = 100 * MB  # bytes resident
MODULE = """
import contextlib, json, resource, sys
from ansible.module_utils.testing import patch_module_args
from ansible_collections.airgap.azure_ai.plugins.modules import image_load
with patch_module_args(json.loads(sys.argv[1])), contextlib.suppress(SystemExit):
    image_load.main()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""
# exec hands the peak of whoever forked on, which would be pytest's: the shell forks once more.
SMALL_PARENT = ("sh", "-c", '"$@"; exit $?', "sh")


@pytest.fixture(scope="module", params=KINDS)
def private(request: pytest.FixtureRequest) -> t.Iterator[Private]:
    engine = Private(request.param)
    yield engine
    engine.close()


def name_of(image: Built) -> str:
    return local_image(image.record["service"], image.record["manifest"])


def load(private: Private, root: Path, image: Built, check: bool = False, leave_out: t.Sequence[str] = ()) -> dict[str, t.Any]:
    """Run the module as its own process; its result with ``peak``, the most bytes that it had resident."""
    given = {
        "root": str(root),
        "image": image.record,
        "name": name_of(image),
        "leave_out": list(leave_out),
        "docker_socket": private.socket,
        "_ansible_check_mode": check,
        "_ansible_diff": True,
    }
    done = subprocess.run([*SMALL_PARENT, sys.executable, "-c", MODULE, json.dumps(given)], capture_output=True, text=True, check=False)
    *said, peak = done.stdout.splitlines()
    assert done.returncode == 0 and said, done.stderr
    return {**json.loads(said[-1]), "peak": int(peak)}


def known(private: Private, image: Built, *others: Built) -> list[str]:
    """Layers that the plan leaves out."""
    found = inside.survey(private.engine)
    return layers.present(image.record, found["images"], found["engine"]["store"], [other.record for other in others])


def test_the_kinds_are_what_they_are_called(private: Private) -> None:
    found = inside.survey(private.engine)["engine"]
    assert found["store"] == ("containerd" if private.kind.endswith("containerd") else "classic")
    assert private.kind not in KINDS[1:] or found["version"].startswith("26.")


def test_whole_then_present_then_a_delta(private: Private, tmp_path: Path) -> None:
    old, new = build(("base", 3 * MB), ("old", MB)), build(("base", 3 * MB), ("new", MB))
    old.lay(tmp_path)
    told = load(private, tmp_path, old, check=True)
    assert (told["changed"], told["image_id"], told["left_out_bytes"]) == (True, None, 0)
    assert private.engine.image(name_of(old)) is None, "check mode loads nothing"
    first = load(private, tmp_path, old)
    assert first["changed"] and first["sent_bytes"] == told["sent_bytes"] > 4 * MB
    assert first["image_id"] in (old.record["manifest"], old.record["config"])
    assert (first["user"]["name"], first["user"]["uid"]) == ("nonroot", 1000)
    assert first["diff"]["before"] == "absent\n" and old.record["manifest"] in first["diff"]["after"]

    begin = time.monotonic()
    again = load(private, tmp_path, old)
    assert (again["changed"], again["sent_bytes"], again["user"]) == (False, 0, first["user"])
    assert time.monotonic() - begin < 5

    left = known(private, new, old)
    assert left == [new.record["layers"][0]["digest"]]
    shutil.rmtree(tmp_path / "store")
    new.lay(tmp_path, without=left)
    delta = load(private, tmp_path, new, leave_out=left)
    assert delta["changed"] and MB < delta["sent_bytes"] < 2 * MB and delta["left_out_bytes"] > 3 * MB


def test_a_layer_behind_another_base_is_sent(private: Private, tmp_path: Path) -> None:
    one, other = build(("p1", MB), ("shared", MB)), build(("p2", MB), ("shared", MB))
    one.lay(tmp_path)
    other.lay(tmp_path)
    load(private, tmp_path, one)
    left = known(private, other, one)
    store = inside.survey(private.engine)["engine"]["store"]
    assert left == ([] if store == "classic" else [other.record["layers"][1]["digest"]])
    result = load(private, tmp_path, other, leave_out=left)
    assert result["changed"] and "lacked" not in result["msg"]


def test_a_plan_that_was_wrong_sends_all(private: Private, tmp_path: Path) -> None:
    image = build(("never-there", MB), ("top", MB))
    image.lay(tmp_path)
    result = load(private, tmp_path, image, leave_out=[image.record["layers"][0]["digest"]])
    assert result["changed"] and "all were sent" in result["msg"]
    assert load(private, tmp_path, image)["changed"] is False


def test_a_plan_that_was_wrong_and_a_store_that_cannot_help(private: Private, tmp_path: Path) -> None:
    image = build(("nowhere", MB), ("top2", MB))
    left = [image.record["layers"][0]["digest"]]
    image.lay(tmp_path, without=left)
    result = load(private, tmp_path, image, leave_out=left)
    assert result["failed"] and result["missing_layers"] and "run the stage again" in result["msg"]
    image.lay(tmp_path)
    assert load(private, tmp_path, image)["changed"], "the failed load left nothing that passes for the image"


def test_a_blob_that_was_damaged_on_the_host_is_removed_and_asked_for(private: Private, tmp_path: Path) -> None:
    image = build(("sound", MB), ("harmed", 2 * MB))
    image.lay(tmp_path)
    harmed = image.record["layers"][1]["digest"]
    path = tmp_path / "store/blobs/sha256" / harmed[7:]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    result = load(private, tmp_path, image)
    assert result["failed"] and result["missing_layers"] and harmed in result["msg"] and not path.exists()
    image.lay(tmp_path)
    assert load(private, tmp_path, image)["changed"], "the failed load left nothing that passes for the image"
    assert load(private, tmp_path, image)["changed"] is False


def test_zstd_layers(private: Private, tmp_path: Path) -> None:
    image = build(("zstd-base", 2 * MB), ("zstd-top", MB), packed="zstd")
    image.lay(tmp_path)
    assert load(private, tmp_path, image)["changed"]
    assert load(private, tmp_path, image)["changed"] is False


def test_an_engine_killed_amid_a_load(private: Private, tmp_path: Path) -> None:
    image = build(("killed-a", 100 * MB), ("killed-b", 100 * MB))
    image.lay(tmp_path)
    found: list[dict[str, t.Any]] = []
    thread = threading.Thread(target=lambda: found.append(load(private, tmp_path, image)))
    thread.start()
    time.sleep(0.9)
    private.stop(kill=True)
    thread.join()
    private.start()
    assert found[0].get("failed"), f"the load was over before the engine was killed: {found[0]}"
    assert "Traceback" not in found[0]["msg"] and private.socket in found[0]["msg"]
    result = load(private, tmp_path, image)
    assert result["changed"] and not result.get("failed"), result
    assert load(private, tmp_path, image)["changed"] is False
    assert result["peak"] < LIMIT
