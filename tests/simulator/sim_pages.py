# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents as the reading services take them: an image or a PDF, its pages, and what was read from them."""

from __future__ import annotations

import base64
import binascii
import re
import typing as t

from sim_forms import Request, bad

_MAGIC = (b"%PDF-", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM", b"II*\0", b"MM\0*")
_PAGE = re.compile(rb"/Type\s*/Page(?![A-Za-z])")
_TYPES = ("application/octet-stream", "application/pdf", "image/")


def given(request: Request, source: str) -> bytes:
    """The document of a request: the body itself, or base64 below ``source`` in a JSON body; raises Wrong for what is no document."""
    if request.of_type(*_TYPES):
        data = request.body
    else:
        data = decoded(request.json(), source)
    if not data.startswith(_MAGIC):
        raise bad("The file is corrupted or its format is not supported.", "InvalidContent")
    return data


def decoded(body: t.Any, source: str) -> bytes:
    """The base64 value below ``source``; raises Wrong, also for an address, which nobody can reach from here."""
    text = body.get(source) if isinstance(body, dict) else None
    if not text and isinstance(body, dict) and any("url" in name.lower() or "blob" in name.lower() for name in body):
        raise bad("Could not download the file from the given URL.", "InvalidContentSourceFormat")
    try:
        return base64.b64decode(str(text or ""), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise bad(f"{source} is not base64", "InvalidRequest") from exc


def count(document: bytes) -> int:
    """Pages: those of a PDF, one for an image."""
    return len(_PAGE.findall(document)) or 1 if document.startswith(b"%PDF-") else 1


def lines(number: int) -> list[dict[str, t.Any]]:
    """What is read on a page."""
    text = f"Simulated page {number}"
    box = [0, 0, 100, 0, 100, 20, 0, 20]
    words = [{"text": word, "boundingBox": box, "confidence": 0.99} for word in text.split()]
    return [{"text": text, "boundingBox": box, "words": words}]
