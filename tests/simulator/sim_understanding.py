# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Language services that answer from files beside them: summarization from models, CLU and LUIS from the customer's packages."""

from __future__ import annotations

import decimal
import json
import os
import re
import typing as t

import sim_links
from sim_forms import Answer, Request, Wrong, bad, rows
from sim_language import check_version, records, texts_of

if t.TYPE_CHECKING:
    from sim_http import State

TEXT_TASKS = ("ExtractiveSummarization", "AbstractiveSummarization")
CONVERSATION_TASK = "ConversationalSummarizationTask"
CONVERSATION_SKILL = "ConversationSummarization"
_PACKAGE = {"production": "PRODUCTION", "staging": "STAGING"}


def _task(state: State, given: t.Any, kinds: t.Sequence[str]) -> Row:
    """The one task, whose skill's models must be loaded; raises Wrong."""
    task = rows(given, "tasks")[0]
    kind = str(task.get("kind"))
    skill = CONVERSATION_SKILL if kind == CONVERSATION_TASK else kind
    if kind not in kinds:
        raise bad(f"Invalid Request: a task of kind {' or '.join(kinds)} is needed", "InvalidRequest")
    if skill not in state.models:
        raise bad(f"The models of {skill} are not loaded; there are: {', '.join(state.models)}", "InvalidRequest")
    return task


Row = dict[str, t.Any]


def _begun(state: State, request: Request, kind: str, result: Row, use: decimal.Decimal) -> Answer:
    number = state.jobs.start(kind, lambda: result)
    path = f"{request.path}/{number}?api-version={request.query['api-version']}"
    return Answer("", 202, headers={"Operation-Location": request.url(path)}, use=use)


def text_job(state: State, request: Request) -> Answer:
    """Begin a summarization of documents: text records."""
    check_version(request)
    given = request.json()
    task = _task(state, given, TEXT_TASKS)
    found = texts_of(given.get("analysisInput"))
    answered = [{"id": row["id"], **_summary(task["kind"], row["text"]), "warnings": []} for row in found]
    result = {"kind": f"{task['kind']}LROResults", "results": {"documents": answered, "errors": [], "modelVersion": "latest"}}
    return _begun(state, request, "text", {**result, "taskName": task.get("taskName", "")}, records(row["text"] for row in found))


def _summary(kind: str, text: str) -> Row:
    first = re.split(r"(?<=[.!?])\s", text.strip())[0]
    if kind == "ExtractiveSummarization":
        return {"sentences": [{"text": first, "rankScore": 1.0, "offset": 0, "length": len(first)}]}
    return {"summaries": [{"text": first, "contexts": [{"offset": 0, "length": len(text)}]}]}


def conversation_job(state: State, request: Request) -> Answer:
    """Begin a summarization of a conversation: text records."""
    check_version(request)
    given = request.json()
    task = _task(state, given, (CONVERSATION_TASK,))
    found = rows(given.get("analysisInput"), "conversations")
    said = [str(item.get("text", "")) for row in found for item in rows(row, "conversationItems")]
    summary = {"summaries": [{"aspect": "issue", "text": said[0]}], "warnings": []}
    results = {"conversations": [{"id": row.get("id"), **summary} for row in found], "errors": [], "modelVersion": "latest"}
    result = {"kind": "conversationalSummarizationResults", "taskName": task.get("taskName", ""), "results": results}
    return _begun(state, request, "conversation", result, records(said))


def job(state: State, request: Request) -> Answer:
    """How a job stands."""
    check_version(request)
    kind = "text" if "/analyze-text/" in request.path else "conversation"
    found = state.jobs.get(kind, request.parts["id"])
    if found is None:
        raise bad("job not found", "NotFound", 404)
    done = found["status"] == "succeeded"
    items = [{**found["result"], "status": "succeeded", "lastUpdateDateTime": found["updated"]}] if done else []
    tasks = {"completed": int(done), "failed": 0, "inProgress": int(not done), "total": 1, "items": items}
    head = {"jobId": request.parts["id"], "createdDateTime": found["created"], "lastUpdatedDateTime": found["updated"], "status": found["status"]}
    return Answer({**head, "errors": [], "tasks": tasks})


def conversation(state: State, request: Request) -> Answer:
    """CLU: the project must have a package in the container; prebuilt entities come from the NER container where one is linked."""
    check_version(request)
    given = request.json()
    try:
        text, project = given["analysisInput"]["conversationItem"]["text"], given["parameters"]["projectName"]
        deployment = given["parameters"]["deploymentName"]
    except (KeyError, TypeError) as exc:
        raise bad("needs analysisInput.conversationItem.text, parameters.projectName and parameters.deploymentName", "InvalidRequest") from exc
    if given.get("kind") != "Conversation" or not isinstance(text, str) or not deployment:
        raise bad("needs kind Conversation and a text", "InvalidRequest")
    if project not in {folder.split("/")[0] for folder in state.models}:
        raise bad(f"Project {project} has no package in this container", "ProjectNotFound", 404)
    entities: list[Row] = []
    if state.settings.get("Ner_Url"):
        body = json.dumps({"documents": [{"id": "1", "text": text}]}).encode()
        try:
            answer = sim_links.ask(state.settings.get("Ner_Url"), "/text/analytics/v3.1/entities/recognition/general", state.service["name"], body)
            entities = answer["documents"][0]["entities"]
        except (sim_links.NoLink, KeyError, IndexError, TypeError) as exc:
            raise bad(f"Entity recognition failed: {exc}", "InternalServerError", 500) from exc
    prediction = {"topIntent": "Simulated", "projectKind": "Conversation", "intents": [{"category": "Simulated", "confidenceScore": 1.0}], "entities": entities}
    return Answer({"kind": "ConversationResult", "result": {"query": text, "prediction": prediction}}, use=records([text]))


def predict(state: State, request: Request) -> Answer:
    """LUIS: the package of the app and slot (or version) must lie in the input mount: requests."""
    parts = request.parts
    name = f"v{parts['version']}" if "version" in parts else _PACKAGE.get(parts.get("slot", "production").lower(), "")
    path = os.path.join(state.settings.get("Mounts:Input", "/input"), f"{parts['app']}_{name}.gz")
    try:
        with open(path, "rb") as stream:
            if not name or stream.read(2) != b"\x1f\x8b":
                raise Wrong(400, {"error": {"code": "BadArgument", "message": f"{os.path.basename(path)} is no package"}})
    except OSError as exc:
        raise Wrong(404, {"error": {"code": "NotFound", "message": f"No package {os.path.basename(path)} in the input mount"}}) from exc
    old = request.path.startswith("/luis/v2.0/")
    query = request.query.get("q" if old else "query", "") or (request.json().get("query", "") if request.body else "")
    if not query:
        raise bad(f"needs ?{'q' if old else 'query'}=", "BadArgument")
    if old:
        return Answer({"query": query, "topScoringIntent": {"intent": "Simulated", "score": 1.0}, "entities": []}, use=decimal.Decimal(1))
    return Answer({"query": query, "prediction": {"topIntent": "Simulated", "intents": {"Simulated": {"score": 1.0}}, "entities": {}}}, use=decimal.Decimal(1))


FORMS = {"text_job": text_job, "conversation_job": conversation_job, "job": job, "conversation": conversation, "predict": predict}
