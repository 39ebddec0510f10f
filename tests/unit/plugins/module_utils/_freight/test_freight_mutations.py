# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ten thousand altered manifests: none is accepted, none ends in a traceback."""

from __future__ import annotations

import copy
import json
import random
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import delta, manifest, shape, verify
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit

VALUES: list[t.Any] = [
    None,
    True,
    -1,
    0,
    2**70,
    1.5,
    "",
    "x",
    "../etc",
    "sha256:" + "0" * 64,
    "\u0000",
    "\ud800",
    [],
    {},
    [[]],
    {"a": 1},
    ["x"] * 3,
    "2026-02-30T00:00:00Z",
]
BYTES, SHAPES, SIGNED = 5200, 4500, 300
RECKONED = 1500  # besides: another manifest that says so itself may be a good one


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[tuple[Path, kit.Keys]]:
    folder = tmp_path_factory.mktemp("mutations")
    store, keys = kit.fill(folder / "store"), kit.make_keys(folder / "keys")
    base = delta.on_bundle(kit.compose(store, "1.0"))
    yield kit.build(store, folder / "plain", keys, "1.0") and _lean(store, folder, keys, base), keys


def _lean(store: Store, folder: Path, keys: kit.Keys, base: delta.Base) -> Path:
    from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.bundle import Bundles

    return Path(Bundles(str(folder / "b"), store).build(delta.lean(kit.compose(store), base), keys.builder))


def altered_bytes(data: bytes, chance: random.Random) -> bytes:
    """A byte changed, added, removed, a stretch cut out or doubled."""
    place, other = chance.randrange(len(data)), chance.randrange(len(data))
    first, last = sorted((place, min(len(data), place + other % 200 + 1)))
    return chance.choice(
        [
            data[:place] + bytes([data[place] ^ 1 << chance.randrange(8)]) + data[place + 1 :],
            data[:place] + bytes([chance.randrange(256)]) + data[place:],
            data[:first] + data[last:],
            data[:last] + data[first:last] + data[last:],
            data[:place],
        ]
    )


def altered_value(value: t.Any, chance: random.Random) -> t.Any:
    """A copy in which one member somewhere has another value, is gone or is doubled."""
    changed = copy.deepcopy(value)
    place = changed
    while True:
        names = list(place) if isinstance(place, dict) else list(range(len(place)))
        name = chance.choice(names)
        inner = place[name]
        if not isinstance(inner, (dict, list)) or not inner or chance.random() < 0.15:
            break
        place = inner
    how = chance.randrange(4)
    if how == 0:
        del place[name]
    elif how == 1 and isinstance(place, list):
        place.append(copy.deepcopy(inner))
    elif how == 1:
        place[chance.choice(["extra", "__class__", ""])] = inner
    else:
        place[name] = chance.choice(VALUES)
    return changed


def accepted(bundle: Path, keys: kit.Keys, original: dict[str, t.Any]) -> bool:
    """Whether the altered manifest would be used: as something else than it was, its time set aside (the id does not cover it)."""
    try:
        found, _signer = verify.open_manifest(str(bundle), keys.trust)
    except AirgapError as exc:
        assert "\n" not in str(exc)
        return False
    return {**found, "created": ""} != {**original, "created": ""} or shape.validate(found) != []


def test_ten_thousand_alterations(bundle: tuple[Path, kit.Keys], monkeypatch: pytest.MonkeyPatch) -> None:
    folder, keys = bundle
    path = folder / "bundle.json"
    data = path.read_bytes()
    original, chance = json.loads(data), random.Random(20260131)
    path.unlink()
    for number in range(SIGNED):
        wrong = altered_bytes(data, chance)
        path.write_bytes(wrong)
        assert wrong == data or not accepted(folder, keys, {}), number
    monkeypatch.setattr(verify, "verify_bytes", lambda *_, **__: "builder@hq")
    for number in range(BYTES):
        path.write_bytes(altered_bytes(data, chance))
        assert not accepted(folder, keys, original), number
    for number in range(SHAPES + RECKONED):
        value = altered_value(original, chance)
        if number >= SHAPES and isinstance(value.get("blobs"), list):  # a forger reckons the id anew; a traceback is what must not come
            try:
                value = manifest.identified(value)
            except AirgapError:
                continue
        path.write_bytes(json.dumps(value).encode())
        found = accepted(folder, keys, original)
        assert number >= SHAPES or not found, number
    path.write_bytes(data)
    assert not accepted(folder, keys, original)
