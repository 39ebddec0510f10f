# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a host's front as they lie on the control node.

This file is private to the collection.
"""

from __future__ import annotations

import datetime
import os
import re
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import digest_file
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import front

try:
    from cryptography.x509 import load_pem_x509_crl
except ImportError:  # Ansible brings it for its vault; without it nobody is told when a list ends
    READS = False
else:
    READS = True

_LIST = re.compile(rb"-----BEGIN X509 CRL-----.*?-----END X509 CRL-----", re.DOTALL)
_MOST = 64 * 1024 * 1024  # bytes of a list that are looked at


def look(declared: t.Mapping[str, t.Any], folder: str) -> dict[str, t.Any]:
    """{files, crl_until} of a front, as ``front`` wants them; paths are relative to ``folder``."""
    places = {name: os.path.join(folder, os.path.expanduser(str(declared[name]))) for name in front.FILES if declared.get(name)}
    return {"files": {name: _sum(path) for name, path in places.items()}, "crl_until": ends(places["client_crl"]) if "client_crl" in places else None}


def ends(path: str) -> t.Optional[str]:
    """When the first of the lists in a file ends, UTC; None where nobody can tell."""
    try:
        with open(path, "rb") as stream:
            texts = _LIST.findall(stream.read(_MOST))
        found = [_end(load_pem_x509_crl(text)) for text in texts] if READS else []
    except (OSError, ValueError):
        return None
    known = [each for each in found if each is not None]
    return min(known).strftime("%Y-%m-%dT%H:%M:%SZ") if known else None


def _end(crl: t.Any) -> t.Optional[datetime.datetime]:
    """The time is UTC in either form; the older one does not say so."""
    found = getattr(crl, "next_update_utc", None) or crl.next_update
    return found.replace(tzinfo=datetime.timezone.utc) if found is not None else None


def _sum(path: str) -> t.Optional[str]:
    """SHA-256 of a file as it lies there, encrypted or not; None for one that cannot be read."""
    try:
        return str(digest_file(path)[0])
    except OSError:
        return None
