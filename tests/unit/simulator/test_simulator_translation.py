# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The translator: its languages, meters, supporting containers and glossaries."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

TRANSLATOR: t.Any = {"service": "text_translation", "version": "1.0.842"}
TEXT = "/translate?api-version=3.0&from=en&to=fr"
DOCUMENT = "/translator/document:translate?api-version=2024-05-01&sourceLanguage=en&targetLanguage=fr"
FORM = "multipart/form-data; boundary=b"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(16)


def form(name: str = "a.txt", data: bytes = b"abcde", field: str = "document") -> bytes:
    """A multipart body with one file."""
    head = f'--b\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'
    return head.encode() + data + b"\r\n--b--\r\n"


def started(box: t.Any, **settings: str) -> t.Any:
    """A translator for English, French and traditional Chinese."""
    _status, output = box.run(box.download("translator", Languages="en,fr,zh-Hant"), **TRANSLATOR)
    captured = {name: output.split(f"-e {name}=")[1].split()[0] for name in ("MODELS", "TRANSLATORSYSTEMCONFIG")}
    running = box.start(box.offline(**captured, **settings), **TRANSLATOR)
    running.until("/ready")
    return running


def error(answer: tuple[int, str]) -> int:
    """The code of an error."""
    assert answer[0] in (400, 415, 500), answer
    return int(json.loads(answer[1])["error"]["code"])


def test_meters_characters_and_billed_units(box: t.Any) -> None:
    running = started(box)
    assert running.json(TEXT, [{"Text": "Hello"}])[0]["translations"] == [{"text": "[fr] Hello", "to": "fr"}]
    assert [each["to"] for each in running.json(TEXT + "&to=zh-Hant", [{"text": "Hello"}])[0]["translations"]] == ["fr", "zh-Hant"]
    for wrong in ([], {}, [{"Txt": "Hello"}]):
        assert error(running.request(TEXT, wrong)) == 400000
    assert error(running.request(TEXT, b"[")) == 400074
    assert error(running.request(TEXT, b"[]", "text/plain")) == 415000
    assert error(running.request("/translate?to=fr", [{"Text": "Hello"}])) == 400021

    assert running.request(DOCUMENT, form(), FORM) == (200, "[fr] abcde")
    assert running.request(DOCUMENT, form(field="file"), FORM)[0] == 400
    assert running.request(DOCUMENT, b"--b--", FORM)[0] == 400
    assert running.request(DOCUMENT.replace("2024", "2023"), form(), FORM)[0] == 400
    assert running.request(DOCUMENT, b"abcde", "text/plain")[0] == 400

    report = running.json("/records/usage-logs/")
    assert report["type"] == "CommerceUsageResponse"
    prefix = "CognitiveServices.TextTranslation.Container."
    assert report["meters"] == [
        {"name": prefix + "OneDocumentTranslatedCharacters", "quantity": 5, "billedUnit": 7.5},
        {"name": prefix + "TranslatedCharacters", "quantity": 15, "billedUnit": 15},
    ]


def test_only_languages_on_the_disk(box: t.Any) -> None:
    running = started(box)
    assert set(running.json("/languages?api-version=3.0")["translation"]) == {"en", "fr", "zhhant"}
    assert error(running.request(TEXT.replace("fr", "de"), [{"Text": "Hello"}])) == 400036
    assert error(running.request(TEXT.replace("from=en", "from=de"), [{"Text": "Hello"}])) == 400035
    assert running.request(DOCUMENT.replace("=fr", "=de"), form(), FORM)[0] == 400
    assert running.used() == {}


def test_source_language_is_detected_by_a_linked_container_only(box: t.Any) -> None:
    auto = TEXT.replace("&from=en", "").replace("to=fr", "to=en")
    alone = started(box)
    assert error(alone.request(auto, [{"Text": "Bonjour"}])) == 400035
    alone.stop()
    language = box.other("language").up("language", "language_detection")
    running = box.other("second")
    linked = started(running, ladurl=f"http://127.0.0.1:{language.port}")
    answer = linked.json(auto, [{"Text": "Bonjour, vous"}])[0]
    assert answer["detectedLanguage"] == {"language": "fr", "score": 1.0} and answer["translations"][0]["to"] == "en"
    assert linked.request(DOCUMENT.replace("sourceLanguage=en&", ""), form(), FORM)[0] == 200
    language.stop()
    assert error(linked.request(auto, [{"Text": "Bonjour"}])) == 500000


def test_scanned_documents_are_read_by_a_linked_container_only(box: t.Any) -> None:
    alone = started(box)
    status, text = alone.request(DOCUMENT, form("scan.png", PNG), FORM)
    assert status == 400 and "VISIONURL" in text
    alone.stop()
    vision = box.other("vision").up("vision", "vision_read", "3.2")
    linked = started(box.other("second"), VISIONURL=f"http://127.0.0.1:{vision.port}")
    assert linked.request(DOCUMENT, form("scan.png", PNG), FORM) == (200, "[fr] Simulated page 1")
    vision.stop()
    status, text = linked.request(DOCUMENT, form("scan.png", PNG), FORM)
    assert status == 500 and "did not answer" in text


def glossary(folder: Path, kind: str, source: str, target: str, encoding: str = "utf-16") -> None:
    """A glossary from English to French with one entry."""
    folder.mkdir(exist_ok=True)
    (folder / "version.json").write_text('{"VersionId": 5}')
    for side, text in (("src", source), ("tgt", target)):
        (folder / f"en.fr.container-glossary.{kind}.{side}.snt").write_text(text + "\n", encoding=encoding)


def test_glossaries(box: t.Any, tmp_path: Path) -> None:
    glossary(tmp_path / "hotfix", "phrasefix", "ship", "navire")
    glossary(tmp_path / "hotfix", "sentfix", "Good night", "Bonne nuit")
    running = started(box, HotfixDataFolder=str(tmp_path / "hotfix"))
    found = running.json(TEXT, [{"Text": "A ship"}, {"Text": "Good night"}, {"Text": "Good night, all"}])
    assert [row["translations"][0]["text"] for row in found] == ["[fr] A navire", "Bonne nuit", "[fr] Good night, all"]


@pytest.mark.parametrize("broken", ["utf-8", "version", "missing"])
def test_glossaries_that_cannot_be_loaded(box: t.Any, tmp_path: Path, broken: str) -> None:
    folder = tmp_path / "hotfix"
    if broken != "missing":
        glossary(folder, "phrasefix", "ship", "navire", "utf-8" if broken == "utf-8" else "utf-16")
    if broken == "version":
        (folder / "version.json").write_text("{}")
    status, output = box.run(box.offline(HotfixDataFolder=str(folder), MODELS="", TRANSLATORSYSTEMCONFIG=""), **TRANSLATOR)
    assert status and "HotfixDataFolder" in output
