# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text analytics: one skill for each container, in the old form (/text/analytics/v3.x) and the new one (/language/:analyze-text)."""

from __future__ import annotations

import decimal
import re
import typing as t

from sim_forms import Answer, Request, Wrong, bad, rows

if t.TYPE_CHECKING:
    from sim_http import State

Row = dict[str, t.Any]
_API_VERSION = re.compile(r"20\d\d-\d\d-\d\d(-preview)?")
_WORDS = {
    "fr": ("French", {"le", "la", "les", "et", "est", "bonjour", "une", "vous"}),
    "de": ("German", {"der", "die", "das", "und", "ist", "guten", "ein", "nicht"}),
    "es": ("Spanish", {"el", "los", "las", "es", "hola", "una", "buenos", "gracias"}),
}
_SAD = {"bad", "terrible", "awful", "dirty", "poor", "worst"}
_NAME = re.compile(r"\b[A-Z][a-z]+(?: [A-Z][a-z]+)*\b")
_PERSONAL = (("Email", re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")), ("PhoneNumber", re.compile(r"\+?\d[\d ()-]{6,}\d")))


def records(texts: t.Iterable[str]) -> decimal.Decimal:
    """Text records: one for every 1000 characters begun."""
    return decimal.Decimal(sum(-(-len(text) // 1000) or 1 for text in texts))


def check_version(request: Request) -> None:
    """The version of the newer API is a date."""
    if not _API_VERSION.fullmatch(request.query.get("api-version", "")):
        raise bad("The api-version query parameter is missing or invalid.", "InvalidRequest")


def texts_of(given: t.Any) -> list[Row]:
    """Documents with id and text; raises Wrong."""
    found = rows(given, "documents")
    if not all(row.get("id") and isinstance(row.get("text"), str) for row in found):
        raise bad("needs documents, a list of objects with id and text", "InvalidRequest")
    return found


def _sentiment(text: str) -> Row:
    sad = bool(_SAD & set(re.findall(r"\w+", text.lower())))
    scores = {"positive": float(not sad), "neutral": 0.0, "negative": float(sad)}
    one = {"sentiment": "negative" if sad else "positive", "confidenceScores": scores}
    return {**one, "sentences": [{**one, "offset": 0, "length": len(text), "text": text}]}


def _phrases(text: str) -> Row:
    return {"keyPhrases": list(dict.fromkeys(word for word in re.findall(r"\w+", text) if len(word) > 4))}


def _language(text: str) -> Row:
    words = set(re.findall(r"\w+", text.lower()))
    code = max(_WORDS, key=lambda each: len(words & _WORDS[each][1]))
    code, name = (code, _WORDS[code][0]) if words & _WORDS[code][1] else ("en", "English")
    return {"detectedLanguage": {"name": name, "iso6391Name": code, "confidenceScore": 1.0}}


def _entity(text: str, category: str, match: re.Match[str]) -> Row:
    return {"text": match[0], "category": category, "offset": match.start(), "length": len(match[0]), "confidenceScore": 0.9}


def _entities(text: str) -> Row:
    return {"entities": [_entity(text, "Location", match) for match in _NAME.finditer(text)]}


def _personal(text: str) -> Row:
    found = [_entity(text, category, match) for category, pattern in _PERSONAL for match in pattern.finditer(text)]
    redacted = text
    for entity in found:
        redacted = redacted.replace(entity["text"], "*" * entity["length"])
    return {"redactedText": redacted, "entities": found}


SKILLS: dict[str, t.Callable[[str], Row]] = {
    "SentimentAnalysis": _sentiment,
    "KeyPhraseExtraction": _phrases,
    "LanguageDetection": _language,
    "EntityRecognition": _entities,
    "PiiEntityRecognition": _personal,
}


def _results(skill: str, given: list[Row]) -> Row:
    answered = [{"id": row["id"], **SKILLS[skill](row["text"]), "warnings": []} for row in given]
    return {"documents": answered, "errors": [], "modelVersion": "2025-01-01"}


def documents(state: State, request: Request) -> Answer:
    """The old form of the container's one skill: text records."""
    given = texts_of(request.json())
    return Answer(_results(state.service["skill"], given), use=records(row["text"] for row in given))


def analyze_text(state: State, request: Request) -> Answer:
    """The new form: the kind of the request must be the container's skill."""
    check_version(request)
    given = request.json()
    skill = state.service["skill"]
    if not isinstance(given, dict) or given.get("kind") != skill:
        raise Wrong(400, {"error": {"code": "InvalidRequest", "message": f"Invalid Request: this container does kind {skill}."}})
    found = texts_of(given.get("analysisInput"))
    return Answer({"kind": f"{skill}Results", "results": _results(skill, found)}, use=records(row["text"] for row in found))


FORMS = {"documents": documents, "analyze_text": analyze_text}
