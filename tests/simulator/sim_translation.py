# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The translator: texts and documents between the languages whose models lie on the disk, with glossary and supporting containers."""

from __future__ import annotations

import decimal
import json
import os
import re
import typing as t
import urllib.parse

import sim_links
from sim_forms import Answer, Request, Wrong, bad, multipart

if t.TYPE_CHECKING:
    from sim_http import State

ENGLISH = "enu"
DOCUMENT_VERSION = "2024-05-01"
_SCANNED = (".pdf", ".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
_GLOSSARY = re.compile(r"([A-Za-z-]+)\.([A-Za-z-]+)\.container-glossary\.(phrasefix|sentfix)\.src\.snt")
Glossary = dict[tuple[str, str, str], list[tuple[str, str]]]


def short(language: str) -> str:
    """A language as folders of models spell it."""
    plain = language.lower().replace("-", "")
    return ENGLISH if plain == "en" else plain


def known(state: State) -> set[str]:
    """Languages whose models are loaded."""
    names = [folder.split("_") for folder in state.models if "_" in folder]
    return {part for parts in names for part in parts[:2]}


def _wrong(code: int, message: str) -> Wrong:
    return Wrong(code // 1000, {"error": {"code": code, "message": message}})


def texts(state: State, request: Request) -> Answer:
    """Text translation: characters, once for each target."""
    if request.query.get("api-version") != "3.0":
        raise _wrong(400021, "The API version parameter is missing or invalid.")
    targets = [language for value in request.all("to") for language in value.split(",")]
    if not targets or not {short(language) for language in targets} <= known(state):
        raise _wrong(400036, "The target language is not valid.")
    if not request.of_type("application/json"):
        raise _wrong(415000, "The Content-Type header is missing or invalid.")
    try:
        rows = json.loads(request.body)
    except ValueError as exc:
        raise _wrong(400074, "The body of the request is not valid JSON.") from exc
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) and isinstance(row.get("Text", row.get("text")), str) for row in rows):
        raise _wrong(400000, "One of the request inputs is not valid.")
    given = [row.get("Text", row.get("text")) for row in rows]
    source = request.query.get("from", "")
    answer = []
    for text in given:
        spoken, found = (source, {}) if source else _detected(state, text)
        _check_source(state, spoken)
        answer.append({**found, "translations": [{"text": _translated(state, text, spoken, to), "to": to} for to in targets]})
    return Answer(answer, use=decimal.Decimal(sum(map(len, given)) * len(targets)))


def _check_source(state: State, language: str) -> None:
    if short(language) not in known(state):
        raise _wrong(400035, "The source language is not valid.")


def _detected(state: State, text: str) -> tuple[str, dict[str, t.Any]]:
    """The language, and what the answer says of it: asked of the language detection container."""
    host = state.settings.get("ladurl") or state.settings.get("AzureAiLanguageHost")
    if not host:
        raise _wrong(400035, "The source language is not valid: detecting it needs a language detection container (ladurl).")
    body = json.dumps({"documents": [{"id": "1", "text": text}]}).encode()
    try:
        found = sim_links.ask(host, "/text/analytics/v3.1/languages", state.service["name"], body)["documents"][0]["detectedLanguage"]
        return str(found["iso6391Name"]), {"detectedLanguage": {"language": found["iso6391Name"], "score": found["confidenceScore"]}}
    except (sim_links.NoLink, KeyError, IndexError, TypeError) as exc:
        raise _wrong(500000, f"Language detection failed: {exc}") from exc


def document(state: State, request: Request) -> Answer:
    """Document translation: characters of the multipart field ``document``; scanned ones are read by the Vision Read container."""
    if request.query.get("api-version") != DOCUMENT_VERSION:
        raise bad("Invalid or missing api-version", "InvalidRequest")
    target = request.query.get("targetLanguage", "")
    if short(target) not in known(state):
        raise bad("targetLanguage is missing or not one of this container's", "InvalidRequest")
    if "document" not in (fields := multipart(request)):
        raise bad("no field named document", "InvalidRequest")
    name, kind, data = fields["document"]
    text = _read(state, data) if name.lower().endswith(_SCANNED) or kind.startswith("image/") else data.decode(errors="replace")
    source = request.query.get("sourceLanguage", "") or _detected(state, text)[0]
    _check_source(state, source)
    return Answer(_translated(state, text, source, target).encode(), kind=kind, use=decimal.Decimal(len(text)))


def _read(state: State, data: bytes) -> str:
    host = state.settings.get("VISIONURL") or state.settings.get("AzureAiReadHost")
    if not host:
        raise bad("Scanned documents need a Vision Read container (VISIONURL)", "InvalidRequest")
    try:
        path = sim_links.reader(host, {"read": [""]}, state.service["name"])
        pages = sim_links.ask(host, path, state.service["name"], data, "application/octet-stream")["analyzeResult"]["readResults"]
    except (sim_links.NoLink, KeyError, TypeError) as exc:
        raise bad(f"Reading the document failed: {exc}", "InternalServerError", 500) from exc
    return "\n".join(line["text"] for page in pages for line in page["lines"])


def languages(state: State, request: Request) -> Answer:
    """The languages on this disk."""
    return Answer({"translation": {name: {"name": name, "dir": "ltr"} for name in sorted("en" if each == ENGLISH else each for each in known(state))}})


def glossary(folder: str) -> Glossary:
    """Pairs of a glossary folder by (source, target, kind); raises ValueError for what the container cannot load."""
    with open(os.path.join(folder, "version.json"), encoding="utf-8-sig") as stream:
        if not isinstance(json.load(stream).get("VersionId"), int):
            raise ValueError("version.json needs an integer VersionId")
    found: Glossary = {}
    for name in sorted(os.listdir(folder)):
        match = _GLOSSARY.fullmatch(name)
        if match:
            pair = [_lines(os.path.join(folder, name.replace(".src.snt", f".{side}.snt"))) for side in ("src", "tgt")]
            if len(pair[0]) != len(pair[1]):
                raise ValueError(f"{name} and its target have not the same number of lines")
            found[short(match[1]), short(match[2]), match[3]] = list(zip(*pair))
    return found


def _lines(path: str) -> list[str]:
    with open(path, "rb") as stream:
        data = stream.read()
    if not data.startswith(b"\xff\xfe"):
        raise ValueError(f"{os.path.basename(path)} is not UTF-16 LE with its mark")
    return data[2:].decode("utf-16-le").splitlines()


def _translated(state: State, text: str, source: str, target: str) -> str:
    folder = state.settings.get("HotfixDataFolder")
    known_pairs = glossary(folder) if folder else {}
    pair = short(source), short(target)
    for sentence, fixed in known_pairs.get((*pair, "sentfix"), []):
        if text.strip() == sentence:
            return fixed
    for phrase, fixed in known_pairs.get((*pair, "phrasefix"), []):
        text = text.replace(phrase, fixed)
    return f"[{urllib.parse.quote(target)}] {text}"


FORMS = {"texts": texts, "document": document, "languages": languages}
