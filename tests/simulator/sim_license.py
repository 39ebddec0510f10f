# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulated license files: an opaque text that the stand-in Azure seals and a container opens."""

from __future__ import annotations

import base64
import binascii
import datetime
import hashlib
import hmac
import json
import os
import secrets
import typing as t

# Tests look for this text in logs, results and bundles: it must be in none of them.
CANARY = "SIMULATED-LICENSE-CANARY"
_MARK = b"\xff\xfe\x00\x01"
_SECRET = b"the simulator's own secret: it protects nothing"


def seal(content: dict[str, t.Any]) -> str:
    """The license text for ``content``; another text on every call, as the real files are."""
    body = base64.b64encode(json.dumps({**content, "nonce": secrets.token_hex(8)}).encode()).decode()
    return f"{CANARY}\n{body}\n{_sign(body)}\n"


def unseal(text: str) -> dict[str, t.Any] | None:
    """The content of a license text, None when it was edited or is something else."""
    lines = text.split("\n")
    if len(lines) != 4 or lines[0] != CANARY or lines[3] or not hmac.compare_digest(lines[2], _sign(lines[1])):
        return None
    try:
        content = json.loads(base64.b64decode(lines[1]))
    except (binascii.Error, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _sign(body: str) -> str:
    return hmac.new(_SECRET, body.encode(), hashlib.sha256).hexdigest()


def pack(text: str, form: str) -> bytes:
    """The bytes of a license file: the text itself, or 64 KiB that are no text."""
    data = text.encode()
    return data if form == "text" else _MARK + len(data).to_bytes(4, "big") + data + _filler(data)


def unpack(data: bytes) -> str | None:
    """The license text in a file's bytes, None when there is none."""
    if data.startswith(_MARK):
        size = int.from_bytes(data[4:8], "big")
        data, rest = data[8 : 8 + size], data[8 + size :]
        if rest != _filler(data):
            return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _filler(data: bytes) -> bytes:
    return hashlib.shake_256(data).digest(65536)


def read(folder: str) -> dict[str, t.Any] | None:
    """The license that lies in ``folder``; None when there is none, it is no license or it was renamed."""
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            with open(path, "rb") as stream:
                content = unseal(unpack(stream.read()) or "")
            if content is not None and content.get("file", name) == name:
                return content
    return None


def fits(content: dict[str, t.Any] | None, service: str, version: str, models: str | None) -> bool:
    """Whether a license is one for this service, image version and model set, whatever its date."""
    return content is not None and (content["service"], content["version"], content["models"]) == (service, version, models)


def expired(content: dict[str, t.Any], now: datetime.datetime) -> bool:
    """Whether the license's last second is over."""
    return now >= datetime.datetime.fromisoformat(content["expires"])


def models_digest(root: str, parts: t.Iterable[str]) -> str:
    """Digest over the relative names and contents of all files below the given folders of ``root``; raises FileNotFoundError."""
    rows = []
    for part in sorted(set(parts)):
        folder = os.path.join(root, part)
        if not os.path.isdir(folder):
            raise FileNotFoundError(folder)
        for place, _folders, names in os.walk(folder):
            for name in names:
                path = os.path.join(place, name)
                rows.append(f"{os.path.relpath(path, root)} {file_digest(path)}\n")
    return hashlib.sha256("".join(sorted(rows)).encode()).hexdigest()


def file_digest(path: str) -> str:
    """The sha256 of a file, in hex."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
