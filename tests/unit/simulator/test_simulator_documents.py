# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vision Read and Document Intelligence: versions of the API, results that are asked for later, containers that need one another."""

from __future__ import annotations

import base64
import io
import json
import typing as t
import zipfile

import images
import pytest

PNG = b"\x89PNG\r\n\x1a\n" + bytes(16)
PDF = b"%PDF-1.7\n1 0 obj<</Type /Pages/Count 2>>2 0 obj<</Type /Page>>3 0 obj<</Type/Page>>"
READ = "/vision/v3.2/read/"
FORMS = "azure-cognitive-services/form-recognizer/"
PATHS = {
    "2.1": "/formrecognizer/v2.1/layout/analyze",
    "3.0": "/formrecognizer/documentModels/prebuilt-layout:analyze?api-version=2022-08-31",
    "3.1": "/formrecognizer/documentModels/prebuilt-layout:analyze?api-version=2023-07-31",
    "4.0": "/documentintelligence/documentModels/prebuilt-layout:analyze?api-version=2024-11-30",
}
CUSTOM = "/formrecognizer/documentModels"
V31 = "?api-version=2023-07-31"


def layout(box: t.Any, version: str, **settings: str) -> t.Any:
    """A layout container of a version of the API."""
    return box.up("forms", "document_intelligence_layout", "1", FORMS + ("layout" if version == "2.1" else f"layout-{version}"), **settings)


def test_vision_read_at_once_and_later(box: t.Any) -> None:
    running = box.up("vision", "vision_read", "3.2-model-2022-04-30", **{"Mounts:Shared": str(box.share)})
    status, text = running.request(READ + "syncAnalyze", PDF, "application/octet-stream")
    assert status == 200 and len(json.loads(text)["analyzeResult"]["readResults"]) == 2
    found = running.later(READ + "analyze", PNG, "image/png")
    assert found["status"] == "succeeded" and found["analyzeResult"]["readResults"][0]["lines"]
    _status, headers, _body = running.send(READ + "analyze", PNG, "application/octet-stream")
    number = headers["Operation-Location"].rpartition("/")[2]
    assert running.json(f"{READ}analyzeResults/{number}")["status"] in ("running", "succeeded")
    for body, kind in ((b"text", "application/octet-stream"), (PNG, "text/plain"), (b'{"url": "http://example.com/a.png"}', "application/json")):
        assert running.request(READ + "syncAnalyze", body, kind)[0] in (400, 415)
    assert running.request(READ + "operations/none")[0] == 404
    assert running.used() == {"ReadPages": 4}


def test_a_host_with_vision_in_its_name_spoils_the_address(box: t.Any) -> None:
    running = box.up("vision", "vision_read", "3.2")
    _status, headers, _body = running.send(READ + "analyze", PNG, "image/png", Host="vision-1:5000")
    assert headers["Operation-Location"].startswith("http://vision/v3.2/")


@pytest.mark.parametrize(
    ("tag", "value", "ready"),
    [("3.2-model-2021-04-12", "", False), ("3.2-model-2021-04-12", "false", True), ("3.2-preview.2", "", False), ("3.2-model-2021-09-30-preview", "", True)],
)
def test_older_vision_read_waits_for_a_time_server(tag: str, value: str, ready: bool) -> None:
    import sim_vision

    assert (sim_vision.clock_problem(tag, value) == "") is ready


def test_setting_of_the_time_server_reaches_the_container(box: t.Any) -> None:
    old: t.Any = {"service": "vision_read", "version": "3.2-model-2021-04-12"}
    assert box.run(box.download("vision"), **old)[0] == 0
    assert "EnableSyncNTPServer" in box.start(**old).until("/ready", 503)
    box.start(box.offline(EnableSyncNTPServer="false"), **old).until("/ready")


def test_results_are_lost_on_restart_unless_they_are_shared(box: t.Any) -> None:
    running = layout(box, "3.1")
    for kept, settings in ((False, {}), (True, {"Mounts:Shared": str(box.share)})):
        running.stop()
        running = box.start(box.offline(**settings), "document_intelligence_layout", "1", FORMS + "layout-3.1")
        running.until("/ready")
        _status, headers, _body = running.send(PATHS["3.1"], PNG, "image/png")
        where = "/" + headers["Operation-Location"].split("/", 3)[3]
        running.until(where.replace("?", "?x=1&"), holding="succeeded")
        running.stop()
        running = box.start(box.offline(**settings), "document_intelligence_layout", "1", FORMS + "layout-3.1")
        running.until("/ready")
        assert running.request(where)[0] == (200 if kept else 404)


def test_shared_folder_must_be_writable(box: t.Any) -> None:
    status, output = box.run(box.offline(**{"Mounts:Shared": "/dev/null"}), "document_intelligence_layout", "1", FORMS + "layout-3.1")
    assert status and "Access to the path" in output


@pytest.mark.parametrize("version", PATHS)
def test_each_version_has_its_own_paths(box: t.Any, version: str) -> None:
    running = layout(box, version)
    found = running.later(PATHS[version], PDF, "application/pdf")
    assert found["status"] == "succeeded" and len(found["analyzeResult"]["readResults" if version == "2.1" else "pages"]) == 2
    for other, path in PATHS.items():
        if other != version:
            status, text = running.request(path, PDF, "application/pdf")
            assert (status, "api-version" in text) == ((404, False) if version == "2.1" else (400, True)), path
    key = "source" if version == "2.1" else "base64Source"
    assert running.later(PATHS[version], {key: base64.b64encode(PNG).decode()})["status"] == "succeeded"
    assert running.request(PATHS[version], {"urlSource": "http://example.com/a.pdf"})[0] == 400
    assert running.request(PATHS[version], b"no document", "application/pdf")[0] == 400
    assert running.request("/api-docs")[0] == (200 if version >= "3.1" else 400 if version == "x" else 404)
    assert running.used() == {"PrebuiltPages": 3}


NEEDS = [
    ("receipt", "receipt-3.1", "read", "3.1", "AzureCognitiveServiceReadHost"),
    ("receipt", "receipt-3.0", "layout", "3.1", "AzureCognitiveServiceReadHost"),
    ("invoice", "invoice-3.0", "layout", "3.1", "AzureCognitiveServiceLayoutHost"),
    ("id_document", "id-document-3.0", "read", "3.0", "AzureCognitiveServiceReadHost"),
    ("business_card", "businesscard-3.0", "layout", "3.0", "AzureCognitiveServiceLayoutHost"),
    ("general_document", "document-3.0", "layout", "3.0", "AzureCognitiveServiceLayoutHost"),
]


@pytest.mark.parametrize(("service", "repository", "word", "version", "setting"), NEEDS)
def test_a_model_asks_the_container_that_it_needs(box: t.Any, service: str, repository: str, word: str, version: str, setting: str) -> None:
    service, own = f"document_intelligence_{service}", repository.rpartition("-")[2]
    assert box.run(box.download("forms"), service, "1", FORMS + repository)[0] == 0
    status, output = box.run(box.offline(), service, "1", FORMS + repository)
    assert status and f"{setting}" in output and "must be given" in output

    upstream = box.other("upstream").up("forms", f"document_intelligence_{word}", "1", f"{FORMS}{word}-{version}")
    running = box.start(box.offline(**{setting: f"http://127.0.0.1:{upstream.port}"}), service, "1", FORMS + repository)
    running.until("/ready")
    path = next(path for path in running.json("/swagger")["paths"] if path.endswith(":analyze")) + {"3.0": "?api-version=2022-08-31", "3.1": V31}[own]
    assert running.later(path, PDF, "application/pdf")["status"] == "succeeded"
    assert running.used() == {"PrebuiltPages": 2} and upstream.used() == {}
    upstream.stop()
    failed = running.later(path, PDF, "application/pdf")
    assert failed["status"] == "failed" and "did not answer" in failed["error"]["message"] and setting in failed["error"]["message"]
    assert running.used() == {"PrebuiltPages": 2}


@pytest.mark.parametrize(("upstream", "said"), [("layout-3.0", "wanted is 3.1"), ("read-3.1", "no layout container")])
def test_an_invoice_wants_layout_3_1(box: t.Any, upstream: str, said: str) -> None:
    other = box.other("upstream").up("forms", f"document_intelligence_{upstream.partition('-')[0]}", "1", FORMS + upstream)
    host = {"AzureCognitiveServiceLayoutHost": f"http://127.0.0.1:{other.port}"}
    running = box.up("forms", "document_intelligence_invoice", "1", FORMS + "invoice-3.0", **host)
    failed = running.later("/formrecognizer/documentModels/prebuilt-invoice:analyze?api-version=2022-08-31", PDF, "application/pdf")
    assert failed["status"] == "failed" and said in failed["error"]["message"]


def test_version_2_1_asks_vision_read(box: t.Any) -> None:
    vision = box.other("vision").up("vision", "vision_read", "3.2")
    host = {"AzureCognitiveServiceReadHost": f"http://127.0.0.1:{vision.port}"}
    running = box.up("forms", "document_intelligence_receipt", "2.1-preview", FORMS + "receipt", **host)
    found = running.later("/formrecognizer/v2.1/prebuilt/receipt/analyze", PDF, "application/pdf")
    assert found["analyzeResult"]["documentResults"][0]["docType"] == "prebuilt:receipt"


def test_license_of_another_version(box: t.Any) -> None:
    layout(box, "3.1")
    status, output = box.run(box.offline(), "document_intelligence_layout", "1", FORMS + "layout-3.0")
    assert status and "valid disconnected container license" in output


def labelled(*names: str) -> str:
    """A labelled set as the API wants it."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name in names:
            archive.writestr(name, "{}")
    return base64.b64encode(target.getvalue()).decode()


def test_custom_template_is_built_and_analyses(box: t.Any) -> None:
    other = layout(box.other("layout"), "3.1")
    settings = {"AzureCognitiveServiceLayoutHost": f"http://127.0.0.1:{other.port}", "SharedRootFolder": str(box.share)}
    service, repository = "document_intelligence_custom_template_api", FORMS + "custom-template-3.1"
    running = box.up("forms", service, "1", repository, **settings)
    assert running.json(CUSTOM + V31) == {"value": []}
    assert running.request(f"{CUSTOM}/mine:analyze{V31}", PDF, "application/pdf")[0] == 404

    body = {"modelId": "mine", "buildMode": "template", "base64Source": labelled("fields.json", "a.pdf.labels.json")}
    for wrong in ({"modelId": "mine"}, {**body, "base64Source": "bm8gemlw"}, {**body, "buildMode": "neural"}):
        assert running.request(f"{CUSTOM}:build{V31}", wrong)[0] == 400
    assert running.later(f"{CUSTOM}:build{V31}", {**body, "base64Source": labelled("fields.json")})["status"] == "failed"
    assert running.later(f"{CUSTOM}:build{V31}", body)["result"]["modelId"] == "mine"
    assert running.request(f"{CUSTOM}:build{V31}", body)[0] == 409
    assert running.later(f"{CUSTOM}/mine:analyze{V31}", PDF, "application/pdf")["analyzeResult"]["modelId"] == "mine"
    assert running.used() == {"CustomPages": 2}

    running.stop()
    running = box.start(box.offline(**settings), service, "1", repository)
    running.until("/ready")
    assert [model["modelId"] for model in running.json(CUSTOM + V31)["value"]] == ["mine"]
    assert running.send(f"{CUSTOM}/mine{V31}", method="DELETE")[0] == 204
    assert running.request(f"{CUSTOM}/mine{V31}")[0] == 404
    other.stop()
    failed = running.later(f"{CUSTOM}:build{V31}", body)
    assert failed["status"] == "failed" and "did not answer" in failed["error"]["message"]


@pytest.mark.parametrize(
    ("repository", "version"),
    [("layout-4.0", "4.0"), ("custom-template-3.0", "3.0"), ("businesscard", "2.1"), ("id-document", "2.1"), ("id-document-3.1", "3.1")],
)
def test_version_of_a_repository(repository: str, version: str) -> None:
    assert images.api_version(FORMS + repository) == version
    assert images.api_version("azure-cognitive-services/vision/read") == ""
