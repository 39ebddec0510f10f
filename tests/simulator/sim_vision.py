# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vision Read 3.2: at once, or 202 and a result that is asked for later."""

from __future__ import annotations

import decimal
import re
import typing as t

import sim_pages
from sim_forms import Answer, Request, bad

if t.TYPE_CHECKING:
    from sim_http import State

# Images from this model on leave the clock alone.
_WITHOUT_CLOCK = "2021-09-30"


def clock_problem(version: str, value: str) -> str:
    """Why an image that asks a time server at its start does not get ready offline; empty when it does."""
    found = re.search(r"model-(\d{4}-\d\d-\d\d)", version)
    old = found[1] < _WITHOUT_CLOCK if found else re.match(r"3\.([01]|2-preview)", version)
    if old and value.lower() != "false":
        return "The clock cannot be compared with that of the time server (EnableSyncNTPServer)"
    return ""


def _result(pages: int) -> dict[str, t.Any]:
    one = [{"page": number, "angle": 0, "width": 100, "height": 20, "unit": "pixel", "lines": sim_pages.lines(number)} for number in range(1, pages + 1)]
    return {"version": "3.2.0", "modelVersion": "2022-04-30", "readResults": one}


def read_sync(state: State, request: Request) -> Answer:
    """Read at once: pages."""
    pages = sim_pages.count(sim_pages.given(request, "base64Source"))
    return Answer({"status": "succeeded", "analyzeResult": _result(pages)}, use=decimal.Decimal(pages))


def read_async(state: State, request: Request) -> Answer:
    """Begin to read: pages."""
    pages = sim_pages.count(sim_pages.given(request, "base64Source"))
    number = state.jobs.start("read", lambda: _result(pages))
    where = request.url(f"/vision/v3.2/read/operations/{number}")
    # As seen in the field: a host with "vision" in its name spoils the address.
    where = where[: where.index("vision")] + where[where.rindex("vision") :]
    return Answer("", 202, headers={"Operation-Location": where}, use=decimal.Decimal(pages))


def read_result(state: State, request: Request) -> Answer:
    """How a reading stands."""
    found = state.jobs.get("read", request.parts["id"])
    if found is None:
        raise bad("Operation not found", "NotFound", 404)
    head = {"status": found["status"], "createdDateTime": found["created"], "lastUpdatedDateTime": found["updated"]}
    return Answer({**head, "analyzeResult": found["result"]} if found["status"] == "succeeded" else head)


FORMS = {"read_sync": read_sync, "read_async": read_async, "read_result": read_result}
