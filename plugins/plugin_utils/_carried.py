# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives of diagnoses on the control node: read as something that a host wrote, struck out again, marked, given pseudonyms.

This file is private to the collection.
"""

from __future__ import annotations

import fcntl
import io
import ipaddress
import json
import os
import re
import tarfile
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import IntegrityError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.files import atomic_file, write_bytes
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.masking import Mask

MARKS = {
    "stay": "STAYS AT THE SITE: hosts and addresses are in it by their names",
    "leave": "MAY LEAVE THE SITE: hosts and addresses are pseudonyms; read it before it leaves",
}
_ALTERED = "put it back from a backup, or move it away: names get new pseudonyms then"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]{0,400}")
_IPV4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]*\w)")
_IPV6 = re.compile(r"(?<![\w:.])(?:[0-9a-fA-F]{0,4}:){2,7}[0-9a-fA-F]{0,4}(?![\w:])")
_MAC = re.compile(r"(?<![\w:])(?:[0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}(?![\w:])")
_MOST_MEMBERS = 5000


class Pseudonyms:
    """Names and addresses by pseudonym, the same in every archive of a site. Hosts are asked at once, so one at a time has the list until ``save``.

    :param path: where the list is kept; it stays at the site
    :param names: kind (``host``, ``site``) to names that are to be replaced
    """

    def __init__(self, path: str, names: t.Mapping[str, t.Iterable[str]]) -> None:
        self._path = path
        self._lock = os.open(path + ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._known = _known(path)
        self._words = sorted({name for found in names.values() for name in found if len(name) > 1}, key=lambda name: (-len(name), name))
        for kind, found in sorted(names.items()):
            for name in sorted(set(found)):
                self.of(name, kind)

    def of(self, name: str, kind: str) -> str:
        """The pseudonym of a name or an address."""
        if name not in self._known:
            number = 1 + sum(value.startswith(f"{kind}-") for value in self._known.values())
            self._known[name] = f"{kind}-{number}"
        return self._known[name]

    def text(self, value: str) -> str:
        """A text with pseudonyms."""
        for word in self._words:
            value = re.sub(rf"(?<![A-Za-z0-9]){re.escape(word)}(?![A-Za-z0-9])", self._known[word], value)
        value = _MAC.sub(lambda found: self.of(found.group().lower(), "mac"), value)
        return _IPV6.sub(self._address, _IPV4.sub(self._address, value))

    def save(self) -> None:
        """Keep the list and let the next one have it."""
        write_bytes(self._path, (json.dumps(self._known, indent=1, sort_keys=True) + "\n").encode(), 0o600)
        os.close(self._lock)

    def _address(self, found: re.Match[str]) -> str:
        try:
            address = ipaddress.ip_address(found.group())
        except ValueError:
            return found.group()
        plain = address.is_loopback or address.is_unspecified
        return found.group() if plain else self.of(str(address), "address")


def _known(path: str) -> dict[str, str]:
    """The list as it was kept; a bad one must not be written over, for archives that left bear its names."""
    try:
        with open(path, "rb") as stream:
            found = json.loads(stream.read())
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError) as exc:
        raise IntegrityError(path, f"cannot be read ({exc})", _ALTERED) from exc
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise IntegrityError(path, "not a list of pseudonyms", _ALTERED)
    return found


def remade(source: str, target: str, marking: str, mask: Mask, pseudonyms: t.Optional[Pseudonyms], most: int) -> str:
    """Write ``source``, as the host made it, to ``target``; return the summary's text.

    :param most: bytes of all members
    :raises IntegrityError: it holds something that no diagnosis holds.
    """
    summary = ""
    with atomic_file(target, 0o600) as stream, tarfile.open(fileobj=stream, mode="w:gz", format=tarfile.PAX_FORMAT) as made:
        for name, text in _members(source, most):
            kept = mask.text(text)
            if pseudonyms is not None:
                kept, name = pseudonyms.text(kept), pseudonyms.text(name)
            if name == "summary.txt":
                summary, kept = kept, f"{MARKS[marking]}\n{kept}"
            data = kept.encode("utf-8", "replace")
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o600
            made.addfile(info, io.BytesIO(data))
    return summary


def _members(source: str, most: int) -> t.Iterator[tuple[str, str]]:
    try:
        with tarfile.open(source, "r|gz") as tar:
            for number, member in enumerate(tar):
                parts = member.name.split("/")
                stream = tar.extractfile(member) if member.isreg() else None
                if stream is None or ".." in parts or not _NAME.fullmatch(member.name) or number >= _MOST_MEMBERS:
                    raise IntegrityError(source, f"a member that no diagnosis has: {member.name[:80]!r}", "look at the host")
                most -= member.size
                if most < 0:
                    raise IntegrityError(source, "more in it than was asked for", "look at the host")
                yield member.name, stream.read().decode("utf-8", "replace")
    except (tarfile.TarError, EOFError, OSError) as exc:
        raise IntegrityError(source, f"not a whole archive ({exc})", "run it again") from exc
