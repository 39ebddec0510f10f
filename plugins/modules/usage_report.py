#!/usr/bin/python
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: usage_report
short_description: Write the usage report as HTML, CSV and JSON
version_added: 1.0.0
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
extends_documentation_fragment:
  - airgap.azure_ai._attributes
description:
  - Writes C(report.html), C(report.csv) and C(report.json) from the usage ledger, with the same numbers in all three.
  - The page is one file without scripts that asks for nothing from anywhere; the CSV file holds no cell that a spreadsheet takes for a formula.
  - The time on the report is that of the last look, so a report about an unchanged ledger is an unchanged file, until a day passes
    and licenses have a day less.
requirements:
  - SQLAlchemy >= 2.0 and Jinja on the control node
options:
  url:
    description: The ledger, as in M(airgap.azure_ai.ledger).
    type: str
    required: true
  dest:
    description: Folder for the files. It is made if it is not there.
    type: path
    required: true
  site:
    description: Only this site. Default is every site that the ledger knows.
    type: str
  store:
    description:
      - Store of the control node. It tells image and license end of the releases that the ledger saw running, for the table of licenses.
    type: path
  releases:
    description: What runs, for the table of licenses, in place of what ledger and O(store) tell.
    type: list
    elements: dict
    default: []
    suboptions:
      host:
        description: Name of the host.
        type: str
        required: true
      container:
        description: Name of the container.
        type: str
        required: true
      service:
        description: Its service.
        type: str
      image:
        description: Its image.
        type: str
      tag:
        description: Tag of the image.
        type: str
      release:
        description: Id of the release.
        type: str
      license_days:
        description: Whole days until the license ends. Unknown when not given.
        type: int
  commitments:
    description: Commitment plans, as in the variable C(azure_ai_commitments). Use is counted in whole months.
    type: list
    elements: dict
    default: []
    suboptions:
      resource:
        description: Name of the resource.
        type: str
        required: true
      meters:
        description: Patterns of meter names.
        type: list
        elements: str
        default: ['*']
      units:
        description: Units granted, a whole number or a decimal one.
        type: str
        required: true
      start:
        description: First day, C(YYYY-MM-DD).
        type: str
        required: true
      end:
        description: Last day, C(YYYY-MM-DD).
        type: str
        required: true
      added:
        description: Units bought later.
        type: list
        elements: dict
        default: []
        suboptions:
          date:
            description: Day, C(YYYY-MM-DD).
            type: str
            required: true
          units:
            description: Units granted on top.
            type: str
            required: true
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
"""

EXAMPLES = r"""
- name: Write the report
  airgap.azure_ai.usage_report:
    url: /srv/azure-ai/ledger/ledger.db
    dest: /srv/azure-ai/report
    commitments:
      - resource: speech-dc0
        meters: ["*Speech*"]
        units: 50000
        start: 2026-01-01
        end: 2026-12-31
"""

RETURN = r"""
files:
  description: The files of the report.
  returned: success
  type: list
  elements: str
  sample: [/srv/azure-ai/report/report.html, /srv/azure-ai/report/report.csv, /srv/azure-ai/report/report.json]
as_of:
  description: When the ledger was last appended to or null.
  returned: success
  type: str
  sample: "2026-03-31T22:00:00Z"
findings:
  description: Number of findings on the report.
  returned: success
  type: int
verified:
  description: Whether the chain of the ledger is unbroken.
  returned: success
  type: bool
"""

import datetime
import os

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import parse, pretty
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, MissingError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.files import write_bytes
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import page, report, schema, summary


def argument_spec() -> dict:
    """Options of this module."""
    text, needed = {"type": "str"}, {"type": "str", "required": True}
    release = {"host": needed, "container": needed, "service": text, "image": text, "tag": text, "release": text, "license_days": {"type": "int"}}
    added = {"date": needed, "units": needed}
    commitment = {
        "resource": needed,
        "meters": {"type": "list", "elements": "str", "default": ["*"]},
        "units": needed,
        "start": needed,
        "end": needed,
        "added": {"type": "list", "elements": "dict", "default": [], "options": added},
    }
    return {
        "url": needed,
        "dest": {"type": "path", "required": True},
        "site": text,
        "store": {"type": "path"},
        "releases": {"type": "list", "elements": "dict", "default": [], "options": release},
        "commitments": {"type": "list", "elements": "dict", "default": [], "options": commitment},
    }


def contents(params: dict) -> tuple[dict, dict[str, bytes]]:
    """The report, and file name to bytes; :raises AirgapError: no ledger there, a parameter is wrong, the database refused."""
    with schema.Database(params["url"]).read() as connection:
        releases = params["releases"] or report.bound(summary.running(connection, params["site"]), held(params.get("store")), today())
        found = report.build(connection, params["site"], releases, params["commitments"])
    return found, {"report.html": page.render(found), "report.csv": report.as_csv(found), "report.json": pretty(found)}


def held(store: str | None) -> list[dict]:
    """Releases that the store holds; none without a store."""
    if not store:
        return []
    path = os.path.join(store, "holdings.json")
    try:
        with open(path, "rb") as stream:
            return parse(stream.read(), path)["releases"]
    except FileNotFoundError as exc:
        raise MissingError(f"store {store}", "no holdings.json in it", "receive a bundle first, or leave store out") from exc


def today() -> datetime.date:
    """The day in UTC on which license days are counted."""
    return datetime.datetime.now(datetime.timezone.utc).date()


def write(folder: str, files: dict[str, bytes], dry: bool) -> bool:
    """Make ``folder`` hold ``files``; return whether it did not already."""
    if dry:
        return any(_read(os.path.join(folder, name)) != data for name, data in files.items())
    os.makedirs(folder, exist_ok=True)
    written = [write_bytes(os.path.join(folder, name), data) for name, data in files.items()]
    return any(written)


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except FileNotFoundError:
        return None


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    if schema.IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("SQLAlchemy"), exception=schema.IMPORT_ERROR)
    dest = module.params["dest"]
    try:
        found, files = contents(module.params)
        changed = write(dest, files, module.check_mode)
    except (AirgapError, OSError) as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(
        changed=changed,
        files=[os.path.join(dest, name) for name in files],
        as_of=found["as_of"],
        findings=len(found["findings"]),
        verified=found["chain"]["verified"],
    )


if __name__ == "__main__":
    main()
