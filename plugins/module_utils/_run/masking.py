# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing secret in what is carried away for a diagnosis: keys, passwords, vaults and licenses are struck out.

What is known to be secret is struck out wherever it stands; what only looks like a key is struck out as well, so a harmless number may go with it.
This file is private to the collection.
"""

from __future__ import annotations

import base64
import re
import typing as t

HIDDEN = "********"
_SECRET_NAME = re.compile(r"key|secret|token|passw|cred|sas|connection_?string|signature|vault", re.IGNORECASE)
# Settings whose values tell what a container was asked to do and never with which key.
_OPEN_SETTINGS = re.compile(
    r"eula|rai_terms|mounts(:|__)\w+|logging(:|__)[\w:]+|models|decoder_max_count|storagetimetoliveinminutes|task(:|__)\w+|path|lang|lc_all|tz"
    r"|aspnetcore_urls|dotnet_\w+|sharedrootfolder",
    re.IGNORECASE,
)
_WORD = (
    r"(?:api[_-]?key|subscription-key|password|passwd|passphrase|secret|token|access[_-]?key|account[_-]?key|shared[_-]?access[_-]?signature"
    r"|vault[_-]?pass\w*)"
)
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), HIDDEN),
    (re.compile(r"\$ANSIBLE_VAULT;[^\n\"\\]*(?:(?:\\n|\s)+[0-9a-fA-F]{4,})*"), HIDDEN),
    (re.compile(rf"({_WORD}[\"']?\s*[=:]\s*[\"']?)(?!\*)[^\s\"'&,;]+", re.IGNORECASE), rf"\g<1>{HIDDEN}"),
    (re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9+/_=.-]{8,}"), rf"\g<1> {HIDDEN}"),
    (re.compile(r"(://)[^/\s:@\"]+:[^/\s@\"]+@"), rf"\g<1>{HIDDEN}@"),
    (re.compile(r"(?<![0-9a-fA-F])[0-9a-fA-F]{32}(?![0-9a-fA-F])"), HIDDEN),  # the two forms that Azure's keys have had
    (re.compile(r"(?<![A-Za-z0-9])[A-Za-z0-9]{84}(?![A-Za-z0-9])"), HIDDEN),
    (re.compile(r"[A-Za-z0-9+/]{86}=="), HIDDEN),
)
SHORTEST = 8  # characters of a line of a license that is struck out: shorter ones would strike out words
_MOST_LINES = 500


class Mask:
    """Strikes out.

    :param secrets: contents of licenses, passwords: whole, and line by line
    """

    def __init__(self, secrets: t.Iterable[bytes] = ()) -> None:
        found: set[str] = set()
        for secret in secrets:
            lines = [line.strip() for line in secret.decode("utf-8", "replace").splitlines()[:_MOST_LINES]]
            kept = [line for line in lines if len(line) >= SHORTEST] or [line for line in lines if line]
            found.update(form for line in kept for form in _spellings(line))
            found.update(_spellings(secret.decode("utf-8", "replace").strip()))
        self._secrets = sorted((form for form in found if form), key=len, reverse=True)  # one may contain another

    def text(self, value: str) -> str:
        """A text without what is secret."""
        for secret in self._secrets:
            value = value.replace(secret, HIDDEN)
        for pattern, instead in _PATTERNS:
            value = pattern.sub(instead, value)
        return value

    def environment(self, values: t.Iterable[str]) -> list[str]:
        """``NAME=value`` lines; the values of settings that are not known are struck out."""
        return [self.setting(*item.partition("=")[::2]) for item in values]

    def setting(self, name: str, value: str) -> str:
        """One ``NAME=value``."""
        known = _OPEN_SETTINGS.fullmatch(name) is not None and _SECRET_NAME.search(name) is None
        return f"{name}={self.text(value) if known else HIDDEN}"


def _spellings(secret: str) -> set[str]:
    data = secret.encode("utf-8")
    escaped = secret.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
    return {secret, escaped, base64.b64encode(data).decode("ascii"), data.hex()} if secret else set()
