# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Import a verified bundle into a site's store: only what is missing, holdings last, safe to repeat.

This file is private to the collection.
"""

from __future__ import annotations

import contextlib
import copy
import os
import stat
import typing as t
from dataclasses import dataclass, field, replace

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import canonical
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import FULL, AirgapError, InputError, IntegrityError, MissingError, Problems
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.files import open_regular, write_bytes
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.signature import Trust, check_made
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import holdings as _holdings
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import kits, received, room, verify
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import manifest as _manifest
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.delta import LackingError
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.intake import Intake
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import PUBLIC_MODE, SECRET_MODE, Store
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.verified import Verified

Record = dict[str, t.Any]
Item = tuple[Digest, int, str]
Advance = t.Optional[t.Callable[[int], object]]


@dataclass(frozen=True)
class Parcel:
    """A bundle that was judged and may be imported.

    :param missing: (digest, size, kind) of the blobs that the store lacks
    :param reason: why the store has to change, or None
    :param verified: what is known of the store's blobs
    :param beside: folders of other bundles by the digest (hexadecimal) of a blob that comes out of them
    :param kit: the control kit that came with it
    """

    path: str
    manifest: Record
    signer: str
    missing: list[Item]
    reason: str | None
    verified: Verified
    beside: dict[str, str] = field(default_factory=dict)
    kit: kits.Found = kits.NONE

    @property
    def bytes(self) -> int:
        """Bytes to be copied."""
        return sum(size for _digest, size, _kind in self.missing)


def judge(
    path: str,
    store: Store,
    site: str,
    trust: Trust,
    allow_older: bool = False,
    beside: t.Sequence[str] = (),
    full: bool = False,
    advance: Advance = None,
    expect: Advance = None,
) -> Parcel:
    """Verify signature, site, sequence and completeness, before anything is touched.

    :param beside: folders of other bundles; blobs that this one leaves out may come from there
    :param full: read the store's blobs again, though they were found good before
    :param expect: called with the bytes of the store that are to be read, once they are known
    :raises TrustError, InputError, IntegrityError, Problems: it may not be imported; the line says why.
    :raises LackingError: it builds on blobs that are nowhere here.
    """
    held = store.holdings()
    earliest = received.last_made(store, held)
    manifest, signer = verify.open_manifest(path, replace(trust, earliest=earliest))
    check_made(received.seconds(manifest["created"]), earliest, f"bundle {manifest['site']}-{manifest['sequence']}")
    refuse(manifest, held, site, allow_older)
    kit = kits.look(path, replace(trust, earliest=earliest))
    problems = verify.tree_problems(path, manifest, kit)
    if problems:
        raise _error(path, problems)
    verified = Verified(store, full)
    missing = _missing(store, manifest, verified, advance, expect)
    others = _beside(manifest, missing, beside)
    here = {str(digest) for digest, _size, _kind in _manifest.carried(manifest)}
    lacking = [str(digest) for digest, _size, _kind in missing if str(digest) not in here and digest.hex not in others]
    if lacking:
        raise LackingError(manifest, held["counter"], lacking)
    return Parcel(path, manifest, signer, missing, _reason(manifest, held, store, missing), verified, others, kit)


def _missing(store: Store, manifest: Record, verified: Verified, advance: Advance, expect: Advance) -> list[Item]:
    """Blobs that the store has not, or has damaged: those not known as good are read."""
    step = verify.together(advance)

    def wrong(item: Item) -> bool:
        return not store.has(item[0], item[1]) or verified.problem(item[0], item[1], step) is not None

    items = list(_manifest.digests(manifest))
    if expect is not None:
        expect(sum(size for digest, size, _kind in items if store.has(digest, size) and not verified.knows(digest, size)))
    return [item for item, bad in zip(items, verify.parallel(wrong, items)) if bad]


def _beside(manifest: Record, missing: t.Sequence[Item], folders: t.Sequence[str]) -> dict[str, str]:
    """Where blobs that the bundle leaves out lie in other bundles; they are hashed when they are copied."""
    here = {digest for digest, _size, _kind in _manifest.carried(manifest)}
    found: dict[str, str] = {}
    for digest, size, _kind in missing:
        for folder in folders if digest not in here else ():
            with contextlib.suppress(OSError):
                info = os.lstat(verify.blob_path(folder, digest))
                if stat.S_ISREG(info.st_mode) and info.st_size == size:
                    found.setdefault(digest.hex, folder)
    return found


def refuse(manifest: Record, held: Record, site: str, allow_older: bool) -> None:
    """Raise InputError when the bundle is another site's, or older than the last one received."""
    what = f"bundle {manifest['site']}-{manifest['sequence']}"
    if manifest["site"] != site:
        raise InputError(what, f"made for site {manifest['site']}, this is {site}", "take it to its own site")
    if held["site"] not in (None, site):
        raise InputError("azure_ai_site", f"is {site}, but this store belongs to {held['site']}", "use the store of this site")
    last = held["bundles"].get(site)
    if last is None or allow_older:
        return
    if manifest["sequence"] < last["sequence"]:
        raise InputError(what, f"older than {site}-{last['sequence']}, which was received already", "set receive_allow_older if you mean it")
    if manifest["sequence"] == last["sequence"] and manifest["id"] != last["id"]:
        problem = f"another bundle with sequence {last['sequence']} was received already ({last['id'][:19]})"
        raise InputError(what, problem, "two builders or a lost bundles folder: ask the sender; set receive_allow_older if you mean it")


def take(parcel: Parcel, store: Store, site: str, advance: Advance = None) -> None:
    """Copy what is missing, then remember the bundle.

    :raises IntegrityError, Problems: all damaged blobs by name; the good ones stay for the next run, the holdings as they were.
    """
    store.create()
    store.sweep()
    room.check(f"store {store.path}", store.path, parcel.bytes)
    with room.told(f"store {store.path}"):
        try:
            problems = _bring(parcel, store, advance)
        finally:
            parcel.verified.save()
        if problems:
            raise _error(parcel.path, problems)
        _check_images(parcel, store)
        _keep(parcel, store)
        with store.changing() as held:
            _remember(held, parcel.manifest, site)


def receipts_folder(store: Store, manifest: Record) -> str:
    """Where the receipts of a bundle are laid out by name."""
    return received.folder(store, manifest["site"], manifest["sequence"])


def outcome(held: Record, manifest: Record, site: str) -> Record:
    """What the store would hold with the bundle taken in; ``held`` stays as it is."""
    after = copy.deepcopy(held)
    _remember(after, manifest, site)
    after = _holdings.ordered(after)
    if canonical(after) != canonical(_holdings.ordered(held)):
        after["counter"] += 1
    return after


def lines(held: Record) -> str:
    """Holdings as text, a line each, for diffs."""
    return "".join(f"{line}\n" for line in _manifest.contents({**held, "receipts": []}))


def _reason(manifest: Record, held: Record, store: Store, missing: list[Item]) -> str | None:
    if missing:
        return f"{len(missing)} of {len(manifest['blobs'])} blobs are missing"
    if canonical(outcome(held, manifest, manifest["site"])) != canonical(_holdings.ordered(held)):
        return "the store does not know of it yet"
    if not os.path.exists(receipts_folder(store, manifest) + ".json"):
        return "its manifest was not kept"
    return None


def _remember(held: Record, manifest: Record, site: str) -> None:
    # One download that came again under another vault secret: the old ciphertext would win or lose by chance.
    fresh = {_download(release): release["id"] for release in manifest["releases"]}
    held["releases"] = [release for release in held["releases"] if fresh.get(_download(release), release["id"]) == release["id"]]
    _holdings.merge(held, manifest)
    _holdings.mark(held, sorted({*held.get("lacking", ())} - {blob["digest"] for blob in manifest["blobs"]}))
    held["site"] = site
    last = held["bundles"].get(site)
    if last is None or manifest["sequence"] >= last["sequence"]:  # an older one let in on purpose is not the last received
        held["bundles"][site] = {"sequence": manifest["sequence"], "id": manifest["id"]}


def _bring(parcel: Parcel, store: Store, advance: Advance) -> list[str]:
    whose = _holdings.owners(parcel.manifest)
    step = verify.together(advance)

    def bring(item: Item) -> str | None:
        digest, size, kind = item
        try:
            with open_regular(verify.blob_path(parcel.beside.get(digest.hex, parcel.path), digest)) as source:
                intake.add(source, digest, size, SECRET_MODE if kind == "license" else PUBLIC_MODE, step, whose[str(digest)])
        except (IntegrityError, MissingError) as exc:
            return str(exc)
        except OSError as exc:
            if exc.filename is None and exc.errno not in FULL:  # the medium could not be read (the store's own files bear names)
                return f"blob {digest} ({whose[str(digest)]}): cannot be copied ({exc.strerror})"
            raise
        return None

    with Intake(store, parcel.verified) as intake:
        return [problem for problem in verify.parallel(bring, parcel.missing) if problem]


def _check_images(parcel: Parcel, store: Store) -> None:
    problems = verify.image_problems(store.path, parcel.manifest)
    if problems:
        raise _error(parcel.path, problems)


def _keep(parcel: Parcel, store: Store) -> None:
    """Keep the manifest and lay the receipts out by name, for those who read them."""
    folder = receipts_folder(store, parcel.manifest)
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    if parcel.manifest["receipts"]:
        os.makedirs(folder, exist_ok=True)
    for receipt in parcel.manifest["receipts"]:
        write_bytes(os.path.join(folder, receipt["name"]), store.read(Digest.parse(receipt["digest"]), receipt["size"]))
    write_bytes(folder + ".json", _manifest.encoded(parcel.manifest))


def _error(path: str, problems: list[str]) -> AirgapError:
    what = f"bundle {path}"
    if len(problems) == 1:
        return IntegrityError(what, problems[0], "copy it from the medium again, or have it sent again")
    return Problems(what, problems)


def _download(release: Record) -> tuple[t.Any, ...]:
    """What two releases made of the same download have in common."""
    return release["selector"], release["image"], release["models"], release["downloaded"]
