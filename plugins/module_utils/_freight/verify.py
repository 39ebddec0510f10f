# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verify a bundle folder: signature before parsing, then every blob, in both directions, all problems at once.

This file is private to the collection.
"""

from __future__ import annotations

import os
import stat
import threading
import typing as t
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import MAX_BYTES, parse
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest, copy_hashing
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError, IntegrityError, MissingError, Problems, TrustError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.files import open_regular, read_regular
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.signature import SUFFIX, Trust, verify_bytes
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import countersign, kits, medium, parts_shape, registry, shape
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import holdings as _holdings
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import manifest as _manifest
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import BLOBS, OCI_LAYOUT

NAME = parts_shape.NEEDED[0]
NAMESPACE = "azure-ai-bundle"
NEEDED = parts_shape.NEEDED
ALLOWED = NEEDED + kits.FILES  # the control kit verifies by itself
WORKERS = 2  # hashing lets go of the interpreter: two threads keep two cores busy

Item = t.TypeVar("Item")
Advance = t.Optional[t.Callable[[int], object]]


def open_manifest(path: str, trust: Trust) -> tuple[dict[str, t.Any], str]:
    """The manifest of the bundle in the folder ``path`` and the principal that signed it, or all of them where several must.

    :raises TrustError: not signed by a builder that we trust; nothing was parsed.
    :raises Problems: signed, but not a manifest that may be used.
    """
    what = f"bundle {path}"
    if not os.path.isdir(path):
        raise MissingError(what, "no such folder", "name the folder that holds bundle.json")
    data = read_regular(os.path.join(path, NAME), MAX_BYTES)
    signer = verify_bytes(data, os.path.join(path, NAME + SUFFIX), NAMESPACE, trust, what, role="builder")
    signers = countersign.check(os.path.join(path, NAME), data, NAMESPACE, trust, signer, what)
    manifest = parse(data, what)
    if isinstance(manifest, dict) and isinstance(manifest.get("format"), int) and manifest["format"] > _manifest.FORMAT:
        raise InputError(what, f"has format {manifest['format']}, this collection reads {_manifest.FORMAT}", "install a newer airgap.azure_ai first")
    problems = shape.validate(manifest)
    if problems:
        raise Problems(what, problems)
    return manifest, ", ".join(signers)


def tree_problems(path: str, manifest: dict[str, t.Any], kit: kits.Found = kits.NONE) -> list[str]:
    """What is missing, of another size, unlisted or no regular file; reads no blob.

    :param kit: the control kit that lies in the same folder, judged
    """
    whose = {**dict.fromkeys(kit.sizes, kits.WHAT), **_holdings.owners(manifest)}
    listed = {Digest.parse(digest).hex: (digest, size) for digest, size in kit.sizes.items()}
    listed |= {Digest.parse(blob["digest"]).hex: (blob["digest"], blob["size"]) for blob in manifest["blobs"] if _manifest.is_carried(blob)}
    problems = [*_top(path), *_fixed(path, manifest), *([kit.problem] if kit.problem else [])]
    found, unlisted = {}, []
    for name, info in _entries(os.path.join(path, BLOBS)):
        if medium.is_stray(name):
            continue
        if name not in listed:
            unlisted.append(f"{BLOBS}/{name} is not listed"[:300])
        elif not stat.S_ISREG(info.st_mode):
            problems.append(f"{BLOBS}/{name} is no regular file")
        found[name] = info.st_size
    if kit.problem and len(unlisted) > 1:  # most likely the kit's own files
        unlisted = [f"{len(unlisted)} files of {BLOBS} are not listed"]
    for name, (digest, size) in listed.items():
        if name not in found:
            problems.append(f"blob {digest} is missing ({whose[digest]})")
        elif found[name] != size:
            problems.append(f"blob {digest} has {found[name]} bytes instead of {size} ({whose[digest]})")
    return problems + unlisted


def strays(path: str) -> list[str]:
    """Names of what systems have laid into the folder unasked: named, never read, and nothing is wrong with the bundle for it."""
    return [
        os.path.normpath(os.path.join(folder, name))
        for folder in ("", os.path.dirname(BLOBS), BLOBS)
        for name, _info in _entries(os.path.join(path, folder))
        if medium.is_stray(name)
    ]


def blob_problems(path: str, manifest: dict[str, t.Any], advance: Advance = None) -> list[str]:
    """Read every blob that is there; name each whose bytes are not its digest, or whose manifest says otherwise."""
    whose = _holdings.owners(manifest)
    step = together(advance)

    def judge(item: tuple[Digest, int, str]) -> str | None:
        digest, size, _kind = item
        try:
            with open_regular(blob_path(path, digest)) as stream:
                found = copy_hashing(stream, None, size, step)
        except MissingError:
            return None  # tree_problems names it
        except IntegrityError as exc:
            return f"blob {digest} has {exc.problem} ({whose[str(digest)]})"
        return None if found == (digest, size) else f"blob {digest} is damaged: its bytes are {found[0]} ({whose[str(digest)]})"

    problems = [problem for problem in parallel(judge, _manifest.carried(manifest)) if problem]
    here = {blob["digest"] for blob in manifest["blobs"] if _manifest.is_carried(blob)}
    whole = [image for image in manifest["images"] if {image["manifest"], image["config"]} <= here]
    return problems or image_problems(path, {**manifest, "images": whole})


def image_problems(path: str, manifest: dict[str, t.Any]) -> list[str]:
    """Hold each image record against the manifest and config that it names."""
    problems = []
    for image in manifest["images"]:
        try:
            parts = [
                read_regular(blob_path(path, Digest.parse(image[name])), limit)
                for name, limit in (("manifest", registry.MAX_MANIFEST), ("config", registry.MAX_CONFIG))
            ]
            found = registry.image_record(image["service"], image["repository"], image["tag"], parts[0], parts[1], image["fetched"])
        except AirgapError as exc:
            problems.append(str(exc))
            continue
        wrong = [name for name in sorted(found) if found[name] != image[name]]
        if wrong:
            problems.append(f"image {image['service']}:{image['tag']}: {', '.join(wrong)} are not what its own manifest says")
    return problems


def verify(
    path: str, trust: Trust, full: bool = True, advance: Advance = None, expect: Advance = None
) -> tuple[t.Optional[dict[str, t.Any]], t.Optional[str], list[str]]:
    """(manifest, signer, problems) of a bundle; the first two are None when they could not be had.

    :param full: read all blobs too; without, only the signature, the names and the sizes are judged
    :param expect: called with the bytes that are to be read, once they are known
    """
    try:
        manifest, signer = open_manifest(path, trust)
    except Problems as exc:
        return None, None, exc.problems
    except (TrustError, IntegrityError, InputError) as exc:
        return None, None, [str(exc)]
    kit = kits.look(path, trust)
    problems = tree_problems(path, manifest, kit)
    if full:
        if expect is not None:
            expect(sum(size for _digest, size, _kind in _manifest.carried(manifest)) + sum(kit.sizes.values()))
        known = set(problems)
        problems += [problem for problem in blob_problems(path, manifest, advance) + kits.blob_problems(path, kit, advance) if problem not in known]
    return manifest, signer, problems


def blob_path(path: str, digest: Digest) -> str:
    """Where a blob lies in a bundle."""
    return os.path.join(path, BLOBS, digest.hex)


def parallel(work: t.Callable[[Item], t.Any], items: t.Iterable[Item]) -> list[t.Any]:
    """``work`` on each item by two threads, results in order; the first exception is raised after all have ended."""
    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(work, items))


def together(advance: Advance) -> Advance:
    """The same counter, safe for several threads."""
    if advance is None:
        return None
    lock, count = threading.Lock(), advance

    def step(size: int) -> None:
        with lock:
            count(size)

    return step


def _top(path: str) -> t.Iterator[str]:
    """Everything around the blobs that is not of a bundle."""
    for name, info in _entries(path):
        if medium.is_stray(name):
            continue
        if name == "blobs" and stat.S_ISDIR(info.st_mode):
            for inner, inner_info in _entries(os.path.join(path, name)):
                if not medium.is_stray(inner) and (inner != "sha256" or not stat.S_ISDIR(inner_info.st_mode)):
                    yield f"blobs/{inner} is not listed"[:300]
        elif name not in ALLOWED and not countersign.is_name(name):
            yield f"{name} is not listed"[:300]
        elif not stat.S_ISREG(info.st_mode):
            yield f"{name} is no regular file"


def _fixed(path: str, manifest: dict[str, t.Any]) -> t.Iterator[str]:
    """The two files of the OCI layout follow from the manifest, byte for byte."""
    for name, expected in (("oci-layout", OCI_LAYOUT), ("index.json", _manifest.index_bytes(manifest))):
        try:
            if read_regular(os.path.join(path, name), MAX_BYTES) != expected:
                yield f"{name} is not what bundle.json gives"
        except MissingError:
            yield f"{name} is missing"
        except IntegrityError as exc:
            yield str(exc)


def _entries(path: str) -> list[tuple[str, os.stat_result]]:
    try:
        with os.scandir(path) as entries:
            return sorted((entry.name, entry.stat(follow_symlinks=False)) for entry in entries)
    except (FileNotFoundError, NotADirectoryError):
        return []
