# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bundles that leave out what a site holds, and the list of what turns out to be missing there.

A base says what to leave out; the manifest lists all blobs of the wanted state all the same. A site that lacks one of those
left out refuses before it touches anything, writes the list (``missing.json``) and shows its short code.
The normative description is docs/bundle-format.md. This file is private to the collection.
"""

from __future__ import annotations

import hashlib
import itertools
import typing as t
from dataclasses import dataclass

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, MissingError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.progress import human
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import holdings as _holdings
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import manifest as _manifest

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base32
DIGITS = 7  # of a code, before its check character
CHECK = 37  # a prime: one wrong character and two swapped ones are always noticed
_READ_AS = str.maketrans("OIL", "011", "- ")
MAX_NAMED = 3  # owners of missing blobs that one line names

Record = dict[str, t.Any]


@dataclass(frozen=True)
class Base:
    """What a bundle may build on.

    :param record: the manifest's member ``base``
    :param held: digests of the blobs that are left out
    :param received: {sequence, id} of a bundle that the site has taken in, or None
    """

    record: Record
    held: frozenset[str]
    received: Record | None = None


def on_holdings(document: Record, data: bytes) -> Base:
    """The base that a site's holdings are; ``data`` is the file as it was signed."""
    record = {"kind": "holdings", "site": document["site"], "counter": document["counter"], "digest": str(Digest.of(data))}
    return Base(record, frozenset(document["blobs"]), document["bundle"])


def on_bundle(manifest: Record) -> Base:
    """The base that a former bundle is: the site has taken it in."""
    record = {"kind": "bundle", "site": manifest["site"], "id": manifest["id"], "digest": str(Digest.of(_manifest.encoded(manifest)))}
    return Base(record, frozenset(blob["digest"] for blob in manifest["blobs"]), {"sequence": manifest["sequence"], "id": manifest["id"]})


def for_missing(base: Record, wanted: Record, last: Record | None, missing: t.Collection[str]) -> Base:
    """The base of a bundle for exactly ``missing``; blobs that the last bundle did not list go along too.

    :param base: the manifest's member ``base``
    """
    known = {blob["digest"] for blob in (last or wanted)["blobs"]}
    return Base(base, frozenset(blob["digest"] for blob in wanted["blobs"] if blob["digest"] in known) - frozenset(missing))


def lean(manifest: Record, base: Base | None) -> Record:
    """The manifest without the blobs that ``base`` holds; complete without a base.

    :raises InputError: the base is another site's.
    """
    if base is None:
        return manifest
    if base.record["site"] != manifest["site"]:
        raise InputError(f"base of the bundle for {manifest['site']}", f"is of site {base.record['site']}", "give this site's own")
    blobs = [{**blob, "carried": blob["digest"] not in base.held} for blob in manifest["blobs"]]
    return _manifest.identified({**manifest, "base": base.record, "blobs": blobs})


def serves(last: Record, wanted: Record) -> bool:
    """Whether the bundle built last brings what ``wanted`` would carry: the same state, and not less of it."""
    brought = {blob["digest"] for blob in last["blobs"] if _manifest.is_carried(blob)}
    return _manifest.same_contents(last, wanted) and brought >= {blob["digest"] for blob in wanted["blobs"] if _manifest.is_carried(blob)}


def code(digests: t.Iterable[str]) -> str:
    """The short code of a list of digests, in two groups of four characters; the order does not matter."""
    listed = "\n".join(sorted(set(digests))).encode("ascii")
    for turn in itertools.count():
        number = int.from_bytes(hashlib.sha256(b"%d\n" % turn + listed).digest()[:8], "big") >> (64 - 5 * DIGITS)
        if number % CHECK < len(ALPHABET):  # the check characters beyond the alphabet are hard to read aloud: draw again
            break
    text = "".join(ALPHABET[number >> 5 * place & 31] for place in reversed(range(DIGITS))) + ALPHABET[number % CHECK]
    return f"{text[:4]}-{text[4:]}"


def read_code(text: str) -> str | None:
    """The code as ``code`` writes it, out of what somebody typed; None when it is none, or misheard."""
    plain = text.strip().upper().translate(_READ_AS)
    if len(plain) != DIGITS + 1 or any(character not in ALPHABET for character in plain):
        return None
    number = 0
    for character in plain[:DIGITS]:
        number = number << 5 | ALPHABET.index(character)
    return f"{plain[:4]}-{plain[4:]}" if number % CHECK == ALPHABET.index(plain[DIGITS]) else None


def find_missing(bundles: t.Sequence[Record], wanted_code: str, held: t.Iterable[frozenset[str]] = ()) -> tuple[Record, frozenset[str]]:
    """The bundle whose refusal a code tells, and the list that it stands for: worked out from manifests and from holdings that are known.

    :param bundles: manifests of the site's bundles, the likeliest first
    :param held: digests of each holdings document that is known
    :raises InputError: no list that can be worked out has this code.
    """
    expected = read_code(wanted_code)
    if expected is None:
        raise InputError(f"code {wanted_code!r}"[:80], "misheard or mistyped: its check character does not fit", "have it read out again")
    known = list(held)
    for manifest in bundles:
        for found in _guesses(manifest, known):
            if found and code(found) == expected:
                return manifest, found
    names = ", ".join(f"{manifest['site']}-{manifest['sequence']}" for manifest in bundles[:MAX_NAMED])
    more = f" or {len(bundles) - MAX_NAMED} older ones" if len(bundles) > MAX_NAMED else ""
    raise InputError(
        f"code {expected}",
        f"fits nothing that bundle {names}{more} leaves out, as far as is known here",
        "have missing.json carried from the site's outbox and name it in bundle_missing, or build a complete bundle",
    )


def _guesses(last: Record, held: list[frozenset[str]]) -> t.Iterator[frozenset[str]]:
    """All that was left out (a new store), what known holdings lack, each image's and each single blob (a damaged disk)."""
    left = frozenset(blob["digest"] for blob in last["blobs"] if not _manifest.is_carried(blob))
    yield left
    yield from (left - known for known in held)
    for image in last["images"]:
        yield left & {image["manifest"], image["config"], *(layer["digest"] for layer in image["layers"])}
    for models in last["models"]:
        yield left & {file["digest"] for file in models["files"]}
    yield from (frozenset([digest]) for digest in sorted(left))


def missing_document(manifest: Record, counter: int, lacking: t.Sequence[str]) -> Record:
    """What a site sends out when a bundle builds on blobs that it lacks.

    :param counter: of the site's store
    """
    listed = sorted(lacking)
    return {
        "format": 1,
        "kind": "airgap.azure_ai/missing",
        "site": manifest["site"],
        "counter": counter,
        "bundle": {"sequence": manifest["sequence"], "id": manifest["id"]},
        "blobs": listed,
        "code": code(listed),
    }


class LackingError(MissingError):
    """A bundle builds on blobs that are not in the store; ``document`` is the list for the way out."""

    def __init__(self, manifest: Record, counter: int, lacking: t.Sequence[str]) -> None:
        self.document = missing_document(manifest, counter, lacking)
        sizes = {blob["digest"]: blob["size"] for blob in manifest["blobs"]}
        whose = _holdings.owners(manifest)
        names = sorted({whose[digest] for digest in lacking})
        more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
        size = human(sum(sizes[digest] for digest in lacking))
        super().__init__(
            f"bundle {manifest['site']}-{manifest['sequence']}",
            f"builds on {len(lacking)} blob{'' if len(lacking) == 1 else 's'} ({size}) that the store lacks: {', '.join(names[:MAX_NAMED])}{more}",
            f"carry missing.json out of the outbox to the builder, or read out the code {self.document['code']} (bundle_missing of its playbook);"
            " leave this bundle in the inbox until the next one has come",
        )
