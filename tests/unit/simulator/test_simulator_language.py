# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Language services: one skill each in both forms of the API, and those that answer from models or packages beside them."""

from __future__ import annotations

import gzip
import typing as t

import pytest

V3 = "/text/analytics/v3.1/"
ANALYZE = "/language/:analyze-text?api-version=2023-04-01"
JOBS = "/language/analyze-text/jobs?api-version=2023-04-01"
CONVERSATIONS = "/language/analyze-conversations/jobs?api-version=2023-04-01"
CLU = "/language/:analyze-conversations?api-version=2023-04-01"
APP = "8c985349-ffef-4a45-9d9f-dcfe5e1af7ee"
PREDICT = f"/luis/v3.0/apps/{APP}/slots/production/predict?query=hello"
FRENCH = {"name": "French", "iso6391Name": "fr", "confidenceScore": 1.0}
SKILLS = [
    ("sentiment", "SentimentAnalysis", "sentiment", "Lovely rooms.", "sentiment", "positive"),
    ("key_phrase_extraction", "KeyPhraseExtraction", "keyPhrases", "Lovely rooms", "keyPhrases", ["Lovely", "rooms"]),
    (
        "language_detection",
        "LanguageDetection",
        "languages",
        "Bonjour, vous",
        "detectedLanguage",
        {"name": "French", "iso6391Name": "fr", "confidenceScore": 1.0},
    ),
    ("named_entity_recognition", "EntityRecognition", "entities/recognition/general", "born in London", "entities", "London"),
    ("pii", "PiiEntityRecognition", "entities/recognition/pii", "call 555-01000", "redactedText", "call *********"),
]


@pytest.mark.parametrize(("service", "kind", "path", "text", "key", "expected"), SKILLS)
def test_a_skill_in_both_forms(box: t.Any, service: str, kind: str, path: str, text: str, key: str, expected: t.Any) -> None:
    running = box.up("language", service)
    documents = {"documents": [{"id": "1", "language": "en", "text": text}]}
    old = running.json(V3 + path, documents)["documents"][0]
    new = running.json(ANALYZE, {"kind": kind, "analysisInput": documents})["results"]["documents"][0]
    assert old == new and old["id"] == "1"
    assert (old[key][0]["text"] if key == "entities" else old[key]) == expected
    other = "SentimentAnalysis" if kind != "SentimentAnalysis" else "KeyPhraseExtraction"
    assert running.request(ANALYZE, {"kind": other, "analysisInput": documents})[0] == 400
    assert running.request(ANALYZE.partition("?")[0], {"kind": kind, "analysisInput": documents})[0] == 400
    assert list(running.used().values()) == [2]


def test_text_records_and_wrong_requests(box: t.Any) -> None:
    running = box.up("language", "sentiment", "3.0-en")
    answer = running.json(V3 + "sentiment", {"documents": [{"id": "1", "text": "An awful night."}, {"id": "2", "text": "x" * 1001}]})
    assert [row["sentiment"] for row in answer["documents"]] == ["negative", "positive"]
    for wrong in ({}, {"documents": []}, {"documents": [{"text": "no id"}]}, [1], b"{"):
        assert running.request(V3 + "sentiment", wrong)[0] == 400
    assert running.request(V3 + "sentiment", b"{}", "text/plain")[0] == 415
    assert running.request(V3 + "keyPhrases", {"documents": [{"id": "1", "text": "a"}]})[0] == 404
    assert list(running.used().values()) == [3]


def _models(box: t.Any, skill: str, version: str = "cpu") -> tuple[int, str]:
    return t.cast("tuple[int, str]", box.run({"billing": f"{box.azure}/language", "apikey": "key-language", "downloadModels": skill}, "summarization", version))


def test_summarization_needs_models_then_a_license_and_its_terms(box: t.Any) -> None:
    status, output = box.run(box.download("language", rai_terms="accept"), "summarization", "cpu")
    assert status and "No models were found" in output
    assert _models(box, "ExtractiveSummarization,AbstractiveSummarization")[0]
    assert _models(box, "Poetry")[0]
    assert _models(box, "ExtractiveSummarization")[0] == 0
    assert [path.name for path in box.models.iterdir()] == ["ExtractiveSummarization"]
    status, output = box.run(box.download("language"), "summarization", "cpu")
    assert status and "rai_terms must be accepted" in output
    running = box.up("language", "summarization", "cpu")
    status, output = box.run(box.offline(), "summarization", "cpu")
    assert status and "rai_terms must be accepted" in output

    body = {"analysisInput": {"documents": [{"id": "1", "text": "First. Second."}]}, "tasks": [{"kind": "ExtractiveSummarization", "taskName": "a"}]}
    found = running.later(JOBS, body)
    assert found["status"] == "succeeded" and found["tasks"]["items"][0]["results"]["documents"][0]["sentences"][0]["text"] == "First."
    assert running.request(JOBS, {**body, "tasks": [{"kind": "AbstractiveSummarization"}]})[0] == 400
    assert running.request(JOBS, {**body, "tasks": []})[0] == 400
    assert running.request("/language/analyze-text/jobs/nothing?api-version=2023-04-01")[0] == 404
    assert running.used() == {"SummarizationTextRecords": 1}

    # Other models need a license of their own.
    assert _models(box, "AbstractiveSummarization")[0] == 0
    status, output = box.run(box.offline(rai_terms="accept"), "summarization", "cpu")
    assert status and "valid disconnected container license" in output


def test_summarization_of_conversations(box: t.Any) -> None:
    assert _models(box, "ConversationSummarization")[0] == 0
    running = box.up("language", "summarization", "cpu")
    items = [{"id": "1", "participantId": "a", "text": "Cold."}]
    body = {"analysisInput": {"conversations": [{"id": "1", "conversationItems": items}]}, "tasks": [{"kind": "ConversationalSummarizationTask"}]}
    assert running.later(CONVERSATIONS, body)["tasks"]["items"][0]["results"]["conversations"][0]["summaries"][0]["text"] == "Cold."


def test_image_for_gpus_needs_one(box: t.Any) -> None:
    assert box.run(box.download("language"), "pii", "gpu")[0] == 0
    status, output = box.run(box.offline(), "pii", "gpu")
    assert status and "CUDA" in output
    box.start(None, "pii", "gpu", SIM_GPU="pretend").until("/ready")
    assert "CUDA" not in box.up("language", "pii", "cpu").request("/ready")[1]


def test_clu_answers_from_its_package_and_asks_the_ner_container(box: t.Any) -> None:
    account = {"Billing": f"{box.azure}/language", "ApiKey": "key-language"}
    named = {"projectName": "lights", "exportedModelName": "lights-2"}
    status, output = box.run({**account, "projectName": "lights"}, "clu", "en", words=("downloadmodel",))
    assert status and "exportedModelName must be given" in output
    assert box.run({**account, **named}, "clu", "en", words=("downloadmodel",))[0] == 0
    assert (box.models / "lights" / "lights-2").is_dir()

    ner = box.other("ner").up("language", "named_entity_recognition")
    running = box.up("language", "clu", "en", Ner_Url=f"http://127.0.0.1:{ner.port}")
    item = {"conversationItem": {"id": "1", "participantId": "1", "text": "Lights in London"}}
    body = {"kind": "Conversation", "analysisInput": item, "parameters": {"projectName": "lights", "deploymentName": "lights-2"}}
    prediction = running.json(CLU, body)["result"]["prediction"]
    assert prediction["topIntent"] and [entity["text"] for entity in prediction["entities"]] == ["Lights", "London"]
    # Documented: what CLU asks of the NER container is not metered there.
    assert list(running.used().values()) == [1] and ner.used() == {}
    assert running.request(CLU, {**body, "parameters": {"projectName": "doors", "deploymentName": "x"}})[0] == 404
    assert running.request(CLU, {"kind": "Conversation"})[0] == 400
    ner.stop()
    status, text = running.request(CLU, body)
    assert status == 500 and "did not answer" in text


def test_inner_requests_are_metered_by_a_switch(box: t.Any) -> None:
    ner = box.up("language", "named_entity_recognition", SIM_METER_INNER="count")
    body = {"documents": [{"id": "1", "text": "London"}]}
    assert ner.request(V3 + "entities/recognition/general", body, X_Simulated_Caller="clu")[0] == 200
    assert list(ner.used().values()) == [1]


def test_luis_answers_from_the_package_in_its_input_mount(box: t.Any) -> None:
    package = box.share / f"{APP}_PRODUCTION.gz"
    running = box.up("luis", "luis", **{"Mounts:Input": str(box.share)})
    assert running.request(PREDICT)[0] == 404
    package.write_bytes(b"no package")
    assert running.request(PREDICT)[0] == 400
    package.write_bytes(gzip.compress(b"app"))
    assert running.json(PREDICT)["prediction"]["topIntent"]
    assert running.json(f"/luis/v2.0/apps/{APP}?q=hello")["topScoringIntent"]
    assert running.request(PREDICT.replace("production", "staging"))[0] == 404
    assert running.request(PREDICT.partition("?")[0])[0] == 400
    package.with_name(f"{APP}_v0.1.gz").write_bytes(gzip.compress(b"app"))
    assert running.json(f"/luis/v3.0/apps/{APP}/versions/0.1/predict", {"query": "hello"})["query"] == "hello"
    assert running.used() == {"TextRequests": 3}
