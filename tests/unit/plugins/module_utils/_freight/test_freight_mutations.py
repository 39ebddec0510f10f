# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ten thousand altered manifests: none is accepted, none ends in a traceback. Some thousands of the other files that cross: none ends in one."""

from __future__ import annotations

import copy
import json
import random
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import carried, delta, kits, manifest, outbox, part, parts, parts_shape, shape, verify
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import media_kit, tool_kit

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
OTHERS, OTHERS_SIGNED = 400, 15  # of each other file, once by bytes and once by members
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


def _read_list(path: Path, _keys: kit.Keys) -> None:
    listed = parts_shape.load(path.read_bytes(), "list")
    for number in range(1, len(listed["parts"]) + 1):
        assert parts.folder(listed, number) and parts.part_bytes(listed, number)
    assert parts.by_blob(listed) and parts.encoded(listed) and parts.name(listed)


def _read_kit(path: Path, keys: kit.Keys) -> None:
    found = kits.look(str(path.parent), keys.trust)
    if found.problem:
        raise InputError("kit", found.problem)
    assert kits.news(str(path.parent), found, keys.trust) and found.sizes is not None and isinstance(kits.blob_problems(str(path.parent), found), list)


def _read_missing(path: Path, keys: kit.Keys) -> None:
    wanted = kit.compose(Store(str(path.parents[1] / "store")))
    assert carried.missing(str(path), wanted, None, None, keys.trust).record


@pytest.fixture(scope="module")
def crossing(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[tuple[Path, kit.Keys]]:
    """What else crosses in either direction: a part, a control kit, an outbox."""
    folder = tmp_path_factory.mktemp("crossing")
    store, keys = kit.fill(folder / "store"), kit.make_keys(folder / "keys")
    media_kit.parts(media_kit.bundle(folder / "media", keys), folder / "parts", keys)[1].rename(folder / "part")
    tool_kit.build(folder / "tools", keys).rename(folder / "kit")
    whole = kit.compose(store)
    held = {**store.holdings(), "site": kit.SITE, "bundles": {kit.SITE: {"sequence": 1, "id": whole["id"]}}}
    containers = {"containers": kit.selectors("1.0", "2.0"), "os": ["debian-12"], "control": {"python": "3.11"}}
    outbox.write(str(folder / "out"), "wants.json", outbox.wants(kit.SITE, containers), "azure-ai-wants", keys.site)
    outbox.write(str(folder / "out"), "holdings.json", outbox.holdings(held), "azure-ai-holdings", keys.site)
    lacking = delta.missing_document(whole, 3, [blob["digest"] for blob in whole["blobs"]][:2])
    outbox.write(str(folder / "out"), "missing.json", lacking, "azure-ai-holdings", keys.site)
    yield folder, keys


UNSIGNED = "part/part.json"  # bound to its list by digest
READERS: dict[str, tuple[t.Any, t.Callable[[Path, kit.Keys], t.Any]]] = {
    "part/parts.json": (part, lambda path, keys: part.Part(str(path.parent), keys.trust)),
    UNSIGNED: (part, lambda path, keys: part.Part(str(path.parent), keys.trust)),
    "kit/control.json": (kits, _read_kit),
    "out/wants.json": (outbox, lambda path, keys: outbox.read_wants(str(path), keys.trust)),
    "out/holdings.json": (carried, lambda path, keys: carried.holdings(str(path), kit.SITE, keys.trust)),
    "out/missing.json": (carried, _read_missing),
}


def refused(read: t.Callable[[Path, kit.Keys], t.Any], path: Path, keys: kit.Keys) -> bool:
    """Whether the reader says no, in one line; anything but an AirgapError is the test's failure."""
    try:
        read(path, keys)
    except AirgapError as exc:
        assert "\n" not in str(exc) and str(exc)
        return True
    return False


@pytest.mark.parametrize("name", sorted(READERS))
def test_whatever_else_crosses_is_refused_in_words_or_used_without_a_traceback(
    crossing: tuple[Path, kit.Keys], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    folder, keys = crossing
    module, read = READERS[name]
    path = folder / name
    data, chance = path.read_bytes(), random.Random(20260131)
    original = json.loads(data)
    assert not refused(read, path, keys)
    try:
        for number in range(0 if name == UNSIGNED else OTHERS_SIGNED):
            wrong = altered_bytes(data, chance)
            path.write_bytes(wrong)
            assert wrong == data or refused(read, path, keys), number
        signer = "builder@hq" if module in (part, kits) else f"site@{kit.SITE}"
        monkeypatch.setattr(module, "verify_bytes", lambda *_, **__: signer)  # who is trusted may send nonsense, too
        told = 0
        for turn in range(2 * OTHERS):
            value = altered_value(original, chance)
            path.write_bytes(altered_bytes(data, chance) if turn < OTHERS else json.dumps(value).encode())
            told += refused(read, path, keys)
            if name == "part/parts.json":  # on its medium the digest in part.json refuses it: what is beneath is read as well
                refused(_read_list, path, keys)
        assert told > OTHERS  # most alterations make nonsense
    finally:
        path.write_bytes(data)
