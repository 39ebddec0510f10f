# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan says of releases, images and sets that nothing needs any more."""

from __future__ import annotations

import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.names import local_image
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.plan import plan
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._run.carried_out import applied
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._run.imitations import Image, have, item, sha, want

MODELS = {"digest": sha(b"set"), "files": [{"path": "a", "digest": sha(b"model"), "size": 5}]}
OPTIONS = {"languages": ["en", "fr"]}
IMAGE = Image(b"base", b"app")


def first() -> dict[str, t.Any]:
    """A host after its first rollout."""
    return applied(have(), plan(have(), want(item(IMAGE))))


def third() -> tuple[dict[str, t.Any], dict[str, t.Any], dict[str, t.Any]]:
    """A host that was switched once, the plan of its third release, and the wish for it."""
    host = first()
    host = applied(host, plan(host, want(item(Image(b"base", b"second")))))
    wish = want(item(Image(b"base", b"third")))
    return host, plan(host, wish), wish


def test_what_goes_after_a_switch_is_told_by_name_before_it() -> None:
    host, steps, _wish = third()
    first = next(iter(host["deployed"]["sent-en"]["releases"]))
    name = local_image("sentiment", IMAGE.record["manifest"])
    assert (steps["prune"]["releases"], steps["prune"]["images"]) == ([["sent-en", first]], [name])
    when = "removed when what is switched has proved itself"
    assert steps["lines"][-1] == f"former: 1 former release with its license, 1 image (0 B): {when} (sent-en {first}, {name})"


def test_what_a_run_left_that_was_cut_off_goes_with_the_next_one() -> None:
    host, steps, wish = third()
    cut = plan(applied(host, {**steps, "prune": None}), wish)
    assert cut["switch"] == [] and not cut["empty"] and cut["prune"] == steps["prune"]
    assert [line.partition(" (sent-en")[0] for line in cut["lines"]] == ["former: 1 former release with its license, 1 image (0 B): nothing needs it, removed"]
    assert plan(applied(host, steps), wish)["prune"] is None
    assert plan(applied(host, {**steps, "prune": None}), {**wish, "prune": False})["empty"]


def test_what_came_in_a_run_that_was_cut_off_is_not_taken_for_former() -> None:
    wish = want(item(Image(b"base", service="text_translation"), MODELS, {"options": OPTIONS}, options=OPTIONS))
    steps = plan(have(), wish)
    loaded = applied(have(), {**steps, "releases": [], "switch": []})
    assert loaded["images"] and loaded["models"] and plan(loaded, wish)["prune"] is None
    assert len(plan(loaded, want())["prune"]["images"]) == 1, "unless nobody declares it any more"
