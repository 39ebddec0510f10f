# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Document Intelligence: one model for each container, in the paths of API 2.1, 3.0, 3.1 and 4.0, and custom models.

A model that needs layout or read asks that container over HTTP; without an answer the analysis fails.
"""

from __future__ import annotations

import decimal
import typing as t
import zipfile
from io import BytesIO

import sim_links
import sim_pages
from sim_forms import Answer, Request, Wrong
from sim_jobs import Failed

if t.TYPE_CHECKING:
    from sim_http import State

Row = dict[str, t.Any]
VERSIONS = {"3.0": "2022-08-31", "3.1": "2023-07-31", "4.0": "2024-11-30"}
_KINDS = {"receipt": "receipt.retailMeal", "invoice": "invoice", "idDocument": "idDocument.passport", "businessCard": "businessCard"}


def complete(service: Row) -> Row:
    """A service's description with the paths of its version of the API."""
    return {**service, "api": api(service)} if "document" in service else service


def api(service: Row) -> list[Row]:
    """The paths of a service's model in its version of the API."""
    version, model = service["api_version"], service["document"]
    if version == "2.1":
        base = f"/formrecognizer/v2.1/{model['old']}"
        known = [{"path": base + "/analyze", "form": "analyze"}, {"path": base + "/analyzeResults/{id}", "form": "result", "method": "GET"}]
        return [*known, {"path": base + "/syncAnalyze", "form": "analyze_sync"}]
    base = f"/{'documentintelligence' if version == '4.0' else 'formrecognizer'}"
    models = f"{base}/documentModels"
    named = f"{models}/{model.get('model', '{model}')}"
    known = [
        {"path": named + ":analyze", "form": "analyze"},
        {"path": named + "/analyzeResults/{id}", "form": "result", "method": "GET"},
        {"path": named + ":syncAnalyze", "form": "analyze_sync"},
    ]
    if "model" not in model:
        known += [
            {"path": models + ":build", "form": "build"},
            {"path": models, "form": "models", "method": "GET"},
            {"path": named, "form": "model", "method": "GET|DELETE"},
            {"path": base + "/operations/{id}", "form": "operation", "method": "GET"},
        ]
    # Whatever else is asked of these families gets a word about the version, not 404.
    rest = [f"/{family}/{{rest*}}" for family in ("formrecognizer", "documentintelligence")]
    return [*known, *({"path": path, "form": "other_version", "method": "GET|POST|DELETE"} for path in rest)]


def _invalid(code: str, message: str, status: int = 400) -> Wrong:
    return Wrong(status, {"error": {"code": "InvalidArgument", "message": "Invalid argument.", "innererror": {"code": code, "message": message}}})


def _check(state: State, request: Request) -> None:
    version = state.service["api_version"]
    if version != "2.1" and request.query.get("api-version") != VERSIONS[version]:
        other_version(state, request)


def other_version(state: State, request: Request) -> t.NoReturn:
    """A path or a version of another API."""
    raise _invalid("InvalidParameter", "The parameter api-version is invalid or not supported by this container.")


def _support(state: State, document: bytes) -> None:
    """Have the container that this one needs analyse the document first; raises Failed."""
    needs = state.service.get("needs", {})
    setting = next((name for name in needs if state.settings.get(name)), "")
    if not setting:
        return
    host, caller = state.settings.get(setting), state.service["name"]
    accepted = {word: versions.get(state.service["api_version"], []) for word, versions in needs[setting].items()}
    try:
        sim_links.ask(host, sim_links.reader(host, accepted, caller), caller, document, "application/octet-stream")
    except sim_links.NoLink as exc:
        raise Failed("InternalServerError", f"{setting}: {exc}") from exc


def _analysis(state: State, model: str, document: bytes) -> Row:
    _support(state, document)
    pages = sim_pages.count(document)
    text = "\n".join(f"Simulated page {number}" for number in range(1, pages + 1))
    kind = state.service["document"].get("old", "").rpartition("/")[2]
    if state.service["api_version"] == "2.1":
        found = [{"docType": f"prebuilt:{kind}", "pageRange": [1, pages], "fields": {}}] if kind in _KINDS else []
        one = [{"page": number, "lines": sim_pages.lines(number)} for number in range(1, pages + 1)]
        return {"version": "2.1.0", "readResults": one, "documentResults": found}
    found = [{"docType": _KINDS.get(kind, model), "fields": {}}] if kind in _KINDS or "model" not in state.service["document"] else []
    one = [{"pageNumber": number, "lines": [{"content": f"Simulated page {number}"}]} for number in range(1, pages + 1)]
    version = VERSIONS[state.service["api_version"]]
    return {"apiVersion": version, "modelId": model, "stringIndexType": "textElements", "content": text, "pages": one, "documents": found}


def _model(state: State, request: Request) -> str:
    """The model asked for; raises Wrong for a custom one that was never built."""
    model = request.parts.get("model") or state.service["document"].get("model", "")
    if "model" in request.parts and model not in state.built:
        raise _invalid("ModelNotFound", f"The requested model {model} was not found.", 404)
    return str(model)


def _document(state: State, request: Request) -> bytes:
    _check(state, request)
    return sim_pages.given(request, "source" if state.service["api_version"] == "2.1" else "base64Source")


def analyze(state: State, request: Request) -> Answer:
    """Begin an analysis; its pages are metered when it succeeds."""
    document = _document(state, request)
    model = _model(state, request)
    inner = state.is_inner(request)

    def work() -> Row:
        result = _analysis(state, model, document)
        state.meter("pages", decimal.Decimal(sim_pages.count(document)), inner=inner)
        return result

    number = state.jobs.start("analysis", work)
    path = request.path.removesuffix(":analyze").removesuffix("/analyze")
    query = f"?api-version={request.query['api-version']}" if "api-version" in request.query else ""
    where = request.url(f"{path}/analyzeResults/{number}{query}")
    return Answer("", 202, headers={"Operation-Location": where, "apim-request-id": number})


def analyze_sync(state: State, request: Request) -> Answer:
    """Analyse at once (not documented, but there): pages."""
    document = _document(state, request)
    try:
        result = _analysis(state, _model(state, request), document)
    except Failed as exc:
        raise Wrong(500, {"error": {"code": exc.code, "message": exc.message}}) from exc
    return Answer({"status": "succeeded", "analyzeResult": result}, use=decimal.Decimal(sim_pages.count(document)), meter="pages")


def result(state: State, request: Request) -> Answer:
    """How an analysis stands."""
    _check(state, request)
    found = state.jobs.get("analysis", request.parts["id"])
    if found is None:
        raise Wrong(404, {"error": {"code": "NotFound", "message": "Resource not found."}})
    head = {"status": found["status"], "createdDateTime": found["created"], "lastUpdatedDateTime": found["updated"]}
    return Answer({**head, **({"analyzeResult": found["result"]} if "result" in found else {}), **({"error": found["error"]} if "error" in found else {})})


def build(state: State, request: Request) -> Answer:
    """Build a custom template model from a labelled set: a zip in base64, or a folder that only the studio knows."""
    _check(state, request)
    given = request.json()
    if not isinstance(given, dict) or not given.get("modelId") or given.get("buildMode") != "template":
        raise _invalid("InvalidParameter", "modelId and buildMode template are needed.")
    if given["modelId"] in state.built:
        raise _invalid("ModelExists", "A model with the provided name already exists.", 409)
    archive = _archive(request)
    model = {"modelId": given["modelId"], "description": given.get("description", ""), "apiVersion": request.query["api-version"], "docTypes": {}}

    def work() -> Row:
        _support(state, b"%PDF-1.7 /Type /Page")
        if not any(name.endswith(".labels.json") for name in archive):
            raise Failed("TrainingContentMissing", "Training data is missing: no *.labels.json in the archive")
        state.built[given["modelId"]] = model
        return model

    number = state.jobs.start("documentModelBuild", work)
    where = f"{request.path.rpartition('/')[0]}/operations/{number}?api-version={request.query['api-version']}"
    return Answer("", 202, headers={"Operation-Location": request.url(where)})


def _archive(request: Request) -> list[str]:
    """Names in the labelled set of a build; raises Wrong."""
    given = request.json()
    try:
        with zipfile.ZipFile(BytesIO(sim_pages.decoded(given, "base64Source"))) as archive:
            return archive.namelist()
    except zipfile.BadZipFile as exc:
        raise _invalid("InvalidParameter", "base64Source is not a zip archive.") from exc


def operation(state: State, request: Request) -> Answer:
    """How a build stands."""
    _check(state, request)
    found = state.jobs.get("documentModelBuild", request.parts["id"])
    if found is None:
        raise Wrong(404, {"error": {"code": "NotFound", "message": "Resource not found."}})
    percent = 100 if found["status"] == "succeeded" else 0
    head = {"operationId": request.parts["id"], "status": found["status"], "kind": found["kind"], "percentCompleted": percent}
    return Answer({**head, **{key: found[key] for key in ("result", "error") if key in found}})


def models(state: State, request: Request) -> Answer:
    """Every custom model."""
    _check(state, request)
    return Answer({"value": [{key: value for key, value in model.items() if key != "docTypes"} for model in state.built.values()]})


def model(state: State, request: Request) -> Answer:
    """One custom model, or its end."""
    _check(state, request)
    found = state.built[_model(state, request)]
    if request.method == "DELETE":
        del state.built[found["modelId"]]
        return Answer("", 204)
    return Answer(found)


FORMS: dict[str, t.Callable[[State, Request], Answer]]
FORMS = {"analyze": analyze, "analyze_sync": analyze_sync, "result": result, "other_version": other_version}
FORMS |= {"build": build, "operation": operation, "models": models, "model": model}
