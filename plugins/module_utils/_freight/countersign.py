# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signatures of further officers below a manifest: ``bundle.json.<name>.sig`` and ``control.json.<name>.sig`` beside the builder's own.

This file is private to the collection.
"""

from __future__ import annotations

import contextlib
import os
import re
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import MAX_BYTES
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, TrustError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.files import read_regular, write_bytes
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.signature import SUFFIX, Trust, signed_by, verify_bytes

MAX_FILES = 16
MAX_SIGNATURE = 65536
_NAME = re.compile(r"(bundle\.json|control\.json)\.[a-z0-9][a-z0-9-]{0,31}\.sig")


def is_name(name: str, manifest: str = "") -> bool:
    """Whether a file of that name is a countersignature: of any manifest, or of that one."""
    found = _NAME.fullmatch(name)
    return found is not None and manifest in ("", found.group(1))


def check(manifest: str, data: bytes, namespace: str, trust: Trust, first: str, what: str) -> list[str]:
    """The principals that signed ``data``, the builder ``first``; no further one is looked at when one signature is enough.

    :param manifest: path of the file that holds ``data``; the signatures lie beside it

    Counted are principals with a key of their own each: one officer under two names is one officer.

    :raises TrustError: fewer than ``trust.signatures``; the line says who signed and why the others do not count.
    """
    if trust.signatures <= 1:
        return [first]
    folder, own = os.path.split(manifest)
    signed = {first: signed_by(data, manifest + SUFFIX, namespace)}
    reasons = []
    for name in sorted(entry for entry in os.listdir(folder) if is_name(entry, own))[:MAX_FILES]:
        path = os.path.join(folder, name)
        try:
            principal = verify_bytes(data, path, namespace, trust, name)
        except AirgapError as exc:
            reasons.append(str(exc))
            continue
        key = signed_by(data, path, namespace)
        if principal in signed or key in signed.values():
            reasons.append(f"{name}: signed by {principal} with a key or name that has signed already")
        else:
            signed[principal] = key
    if len(signed) < trust.signatures:
        why = f"signed by {', '.join(signed)}: {len(signed)} of the {trust.signatures} signatures required" + "".join(f" ({reason})" for reason in reasons)
        raise TrustError(what, why, f"have another officer sign {own}, see docs/trust.md")
    return list(signed)


def standing(folder: str, manifests: t.Mapping[str, bytes]) -> dict[str, bool]:
    """The further signatures that lie in the folder, and whether each is of the very bytes that ``manifests`` (by file name) are to have."""
    found = {}
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
        match = _NAME.fullmatch(name)
        if match:
            try:
                found[name] = read_regular(os.path.join(folder, match[1]), MAX_BYTES) == manifests.get(match[1])
            except (AirgapError, OSError):
                found[name] = False
    return found


def carry(before: str, after: str, manifests: t.Mapping[str, bytes]) -> list[str]:
    """Copy those that stand from one folder into the one that takes its place; returns their paths there. What cannot be read stays behind."""
    paths = []
    for name in [name for name, stands in standing(before, manifests).items() if stands]:
        with contextlib.suppress(AirgapError):
            write_bytes(os.path.join(after, name), read_regular(os.path.join(before, name), MAX_SIGNATURE))
            paths.append(os.path.join(after, name))
    return paths
