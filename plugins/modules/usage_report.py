#!/usr/bin/python
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: usage_report
short_description: Write the usage report as HTML, CSV, JSON and metrics
version_added: 1.0.0
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
extends_documentation_fragment:
  - airgap.azure_ai._attributes
  - airgap.azure_ai._ledger
description:
  - Writes C(report.html), C(report.csv), C(commitments.csv), C(report.json), C(report.prom) and C(report.rules.yml) from the usage ledger,
    with the same numbers in all of them.
  - The page is one file without scripts that asks for nothing from anywhere; the CSV files hold no cell that a spreadsheet takes for a formula;
    the metrics are for the textfile collector of node_exporter, the rules alert on them.
  - With several sites in the ledger the page lists them, worst first.
  - The time on the report is that of the last look, so a report about an unchanged ledger is an unchanged file, until a day passes
    and licenses have a day less.
requirements:
  - Jinja on the control node
  - Matplotlib >= 3.6 for charts; without it the page says so and has its tables only
options:
  dest:
    description: Folder for the files. It is made if it is not there.
    type: path
    required: true
  charts:
    description:
      - Whether the page has charts. V(true) fails where Matplotlib is not installed. Left out, charts are drawn where it is.
    type: bool
  textfile:
    description: Second place for the metrics, a file that ends in C(.prom) in the folder that node_exporter reads.
    type: path
  verify:
    description:
      - How much of the ledger's chains is walked. The report says when that was done last for all of them.
      - V(auto) walks what came since the last C(report.json) in O(dest), and every chain when that was last done O(verify_days) days ago.
        V(all) walks every chain now. V(new) walks what came since, and every chain only the first time and where something was wrong.
      - Whatever is walked, the heads that the last C(report.json) names must be in the ledger. What is wrong is told by every report until
        the ledger is put right, or somebody who can explain it removes C(report.json).
    type: str
    choices: [auto, all, new]
    default: auto
  verify_days:
    description: After how many days V(verify=auto) walks every chain again.
    type: int
    default: 7
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
      site:
        description: Its site.
        type: str
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
      license_ends:
        description: Last day of the license in UTC, C(YYYY-MM-DD). Unknown when neither this nor O(releases[].license_days) is given.
        type: str
      license_days:
        description: Whole days until the license ends.
        type: int
  commitments:
    description:
      - Commitment plans, as in the variable C(azure_ai_commitments). Use is counted in whole months.
      - The forecast carries the mean of the last six closed months on to the last day; with fewer than three it is left out.
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
    support: partial
    details: Shows the CSV files; of the others only that they change.
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
  description: The files of the report, the page first.
  returned: success
  type: list
  elements: str
  sample: [/srv/azure-ai/report/report.html, /srv/azure-ai/report/report.csv, /srv/azure-ai/report/report.json]
as_of:
  description: When the ledger was last appended to or null.
  returned: success
  type: str
  sample: "2026-03-31T22:00:00Z"
sites:
  description: Sites on the report.
  returned: success
  type: list
  elements: str
  sample: [plant-7]
findings:
  description: Number of findings on the report.
  returned: success
  type: int
urgent:
  description: Number of findings that cannot wait.
  returned: success
  type: int
verified:
  description: Whether the chain of the ledger is unbroken as far as it was walked.
  returned: success
  type: bool
walked_on:
  description: Day on which every chain was walked last.
  returned: success
  type: str
  sample: "2026-03-31"
charts:
  description: Whether the page has charts.
  returned: success
  type: bool
msg:
  description: What the page says first; and that there are no charts, where Matplotlib is missing.
  returned: success
  type: str
  sample: "1 finding cannot wait. First: The license ends in 3 days."
"""

import datetime
import os

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import parse, pretty
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError, MissingError, one_line
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.files import write_bytes
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import charts, headline, metrics, page, recheck, report, schema, sheet, summary

SHOWN = 100_000  # bytes of a CSV file that a diff shows


def argument_spec() -> dict:
    """Options of this module."""
    text, needed = {"type": "str"}, {"type": "str", "required": True}
    release = dict.fromkeys(("site", "service", "image", "tag", "release", "license_ends"), text)
    release.update(host=needed, container=needed, license_days={"type": "int"})
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
        "charts": {"type": "bool"},
        "textfile": {"type": "path"},
        "verify": {"type": "str", "choices": ["auto", "all", "new"], "default": "auto"},
        "verify_days": {"type": "int", "default": 7},
        "site": text,
        "store": {"type": "path"},
        "releases": {"type": "list", "elements": "dict", "default": [], "options": release},
        "commitments": {"type": "list", "elements": "dict", "default": [], "options": commitment},
    }


def contents(params: dict, drawn: bool) -> tuple[dict, dict[str, bytes]]:
    """The report, and path to bytes; :raises AirgapError: no ledger there, a parameter is wrong, the database refused."""
    textfile = params.get("textfile")
    if textfile and not textfile.endswith(".prom"):
        raise InputError(f"textfile {textfile}", "does not end in .prom", "node_exporter reads no other files")
    with summary.uncollected(), schema.Database(params["url"]).read() as connection:
        releases = params["releases"] or report.bound(summary.running(connection, params["site"]), held(params.get("store")))
        before, day = known(params["dest"]), today()
        whole = recheck.due(before, params["verify"], day, params["verify_days"])
        found = report.build(connection, params["site"], releases, params["commitments"], day, before, whole)
    files = {
        "report.html": page.render(found, drawn),
        "report.csv": sheet.usage(found),
        "commitments.csv": sheet.commitments(found),
        "report.json": pretty(found),
        "report.prom": metrics.textfile(found),
        "report.rules.yml": metrics.RULES.encode("utf-8"),
    }
    paths = {os.path.join(params["dest"], name): data for name, data in files.items()}
    return found, {**paths, **({textfile: files["report.prom"]} if textfile else {})}


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


def known(folder: str) -> recheck.Known | None:
    """What the last report in a folder knew of the ledger; None for nothing."""
    path = os.path.join(folder, "report.json")
    data = _read(path)
    return recheck.known(parse(data, path)) if data else None


def today() -> datetime.date:
    """The day in UTC on which days left are counted."""
    return datetime.datetime.now(datetime.timezone.utc).date()


def changes(files: dict[str, bytes]) -> list[dict]:
    """One entry of a diff for every file that does not hold its bytes yet."""
    found = []
    for path, data in files.items():
        before = _read(path)
        if before != data:
            found.append({"before_header": path, "after_header": path, "before": _shown(path, before), "after": _shown(path, data)})
    return found


def write(folder: str, files: dict[str, bytes]) -> None:
    """Make ``folder``, and the files what they should be."""
    os.makedirs(folder, exist_ok=True)
    for path, data in files.items():
        write_bytes(path, data)


def _shown(path: str, data: bytes | None) -> str:
    if data is None:
        return ""
    return data.decode("utf-8", "replace") if path.endswith(".csv") and len(data) <= SHOWN else f"{len(data)} bytes\n"


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except FileNotFoundError:
        return None


def told(found: dict, wanted: bool | None, drawn: bool) -> str:
    """The verdict in one line."""
    verdict = headline.verdict(found)
    missing = " There are no charts: Matplotlib is not installed here." if wanted is None and not drawn else ""
    return f"{verdict['title']} {verdict['text']}{missing}"


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    params = module.params
    if schema.IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("SQLAlchemy"), exception=schema.IMPORT_ERROR)
    drawn = charts.available() if params["charts"] is None else params["charts"]
    if drawn and not charts.available():
        module.fail_json(msg=missing_required_lib("matplotlib", reason="for charts: Debian has it as python3-matplotlib; or set charts to false"))
    try:
        found, files = contents(params, drawn)
        diff = changes(files)
        if diff and not module.check_mode:
            write(params["dest"], files)
    except (AirgapError, OSError) as exc:
        module.fail_json(msg=one_line(exc))
    module.exit_json(
        changed=bool(diff),
        diff=diff,
        msg=told(found, params["charts"], drawn),
        files=list(files),
        as_of=found["as_of"],
        sites=found["sites"],
        findings=len(found["findings"]),
        urgent=sum(1 for finding in found["findings"] if finding["level"] == "bad"),
        verified=found["chain"]["verified"],
        walked_on=(found["chain"]["walked"] or {}).get("on"),
        charts=drawn,
    )


if __name__ == "__main__":
    main()
