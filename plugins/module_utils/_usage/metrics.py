# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report for Prometheus: a text file for node_exporter's textfile collector, and alert rules that read it. Pure.

What nobody knows has no sample, or is counted in a metric of its own; it is never a zero. Ends are moments, not days left: the
file stays right while nobody writes it anew.
This file is private to the collection.
"""

from __future__ import annotations

import datetime
import typing as t

Report = t.Mapping[str, t.Any]
Sample = tuple[dict[str, str], str]
# name without prefix: help. All are gauges: a total may shrink when a doubt closes.
HELP = {
    "report_info": "The report that this file belongs to.",
    "usage_units": "Units used as far as containers tell, all time; bound low and high differ where readings leave a doubt.",
    "adjusted_units": "Units entered by hand as signed adjustments, which usage does not hold.",
    "commitment_granted_units": "Units that a commitment grants, additions among them.",
    "commitment_used_units": "Units used in the months of a commitment, adjustments among them.",
    "commitment_forecast_units": "Units that will be used by the end of a commitment; absent when there is too little to forecast from.",
    "commitment_end_timestamp_seconds": "Midnight UTC at which a commitment ends.",
    "license_end_timestamp_seconds": "Midnight UTC at which the license of a container ends; absent when nobody declared it.",
    "license_end_unknown": "Whether nobody declared when the license of a container ends.",
    "container_answered": "Whether the last look at a container brought a usage report.",
    "container_last_answer_timestamp_seconds": "When a container last answered; absent when it never did.",
    "site_last_look_timestamp_seconds": "When a container of a site was last looked at.",
    "site_last_export_timestamp_seconds": "When the newest usage export of a site was made; at headquarters only.",
    "findings": "Findings of the report by level.",
    "ledger_chain_verified": "Whether every row of the ledger that was checked follows from the one before.",
    "ledger_chain_walked_timestamp_seconds": "Midnight UTC of the day on which every row of the ledger was checked last; absent for never.",
}
PREFIX = "azure_ai_"


def textfile(report: Report) -> bytes:
    """The metrics in Prometheus' text format."""
    lines = []
    samples = _samples(report)
    for name, text in HELP.items():
        lines += [f"# HELP {PREFIX}{name} {text}", f"# TYPE {PREFIX}{name} gauge"]
        lines += [f"{PREFIX}{name}{_labels(labels)} {value}" for labels, value in samples.get(name, ())]
    return ("\n".join(lines) + "\n").encode("utf-8")


def _samples(report: Report) -> dict[str, list[Sample]]:
    walked = report["chain"]["walked"]
    found: dict[str, list[Sample]] = {
        "report_info": [({"format": str(report["format"])}, "1")],
        "usage_units": _units(report["totals"]),
        "adjusted_units": [({name: row[name] for name in ("site", "service", "resource", "meter", "month")}, row["adjusted"]) for row in report["adjusted"]],
        "findings": [({"level": level}, str(sum(1 for row in report["findings"] if row["level"] == level))) for level in ("bad", "warn", "note")],
        "ledger_chain_verified": [({}, "1" if report["chain"]["verified"] else "0")],
        "ledger_chain_walked_timestamp_seconds": [({}, _moment(f"{walked['on']}T00:00:00Z"))] if walked else [],
        "site_last_look_timestamp_seconds": [({"site": site}, _moment(last)) for site, last in _looks(report["coverage"]).items()],
        "site_last_export_timestamp_seconds": [({"site": row["site"]}, _moment(row["heard_of"])) for row in report["fleet"] if row["by_export"]],
    }
    return {**found, **_commitments(report["commitments"]), **_licenses(report["licenses"]), **_containers(report["coverage"])}


def _looks(rows: t.Iterable[Report]) -> dict[str, str]:
    last: dict[str, str] = {}
    for row in rows:
        last[row["site"]] = max(last.get(row["site"], ""), row["last_look"])
    return last


def _units(totals: t.Iterable[Report]) -> list[Sample]:
    names = ("site", "service", "resource", "meter")
    return [({**{name: row[name] for name in names}, "bound": bound}, value) for row in totals for bound, value in zip(("low", "high"), row["units"])]


def _commitments(rows: t.Iterable[Report]) -> dict[str, list[Sample]]:
    found: dict[str, list[Sample]] = {"granted": [], "used": [], "forecast": [], "end": []}
    for row in rows:
        labels = {"resource": row["resource"], "meters": " ".join(row["meters"]), "start": row["start"], "end": row["end"]}
        found["granted"].append((labels, row["granted"]))
        found["used"] += [({**labels, "bound": bound}, value) for bound, value in zip(("low", "high"), row["used_adjusted"])]
        ahead = row["forecast"]
        if ahead["units"]:
            values = {"low": ahead["units"][0], "likely": ahead["likely"], "high": ahead["units"][1]}
            found["forecast"] += [({**labels, "bound": bound}, value) for bound, value in values.items()]
        found["end"].append((labels, _after(row["end"])))
    return {f"commitment_{name}_{'timestamp_seconds' if name == 'end' else 'units'}": samples for name, samples in found.items()}


def _licenses(rows: t.Iterable[Report]) -> dict[str, list[Sample]]:
    known: list[Sample] = []
    unknown: list[Sample] = []
    for row in rows:
        labels = {name: row[name] for name in ("site", "host", "container", "service", "tag", "release")}
        unknown.append((labels, "0" if row["license_ends"] else "1"))
        if row["license_ends"]:
            known.append((labels, _after(row["license_ends"])))
    return {"license_end_timestamp_seconds": known, "license_end_unknown": unknown}


def _containers(rows: t.Iterable[Report]) -> dict[str, list[Sample]]:
    answered: list[Sample] = []
    last: list[Sample] = []
    for row in rows:
        labels = {name: row[name] for name in ("site", "host", "container")}
        answered.append((labels, "0" if row["problem"] else "1"))
        if row["last_answer"]:
            last.append((labels, _moment(row["last_answer"])))
    return {"container_answered": answered, "container_last_answer_timestamp_seconds": last}


def _labels(labels: t.Mapping[str, str]) -> str:
    pairs = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return "{" + pairs + "}" if pairs else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _moment(text: str) -> str:
    """Seconds since 1970 of ``YYYY-MM-DDTHH:MM:SSZ``."""
    return str(int(datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.timezone.utc).timestamp()))


def _after(day: str) -> str:
    """The midnight at which a day ends."""
    following = datetime.date.fromisoformat(day) + datetime.timedelta(days=1)
    return _moment(f"{following}T00:00:00Z")


RULES = """\
# Alert rules for the metrics that airgap.azure_ai writes for node_exporter's textfile collector.
# Several hosts may serve the same file: the rules aggregate over instances.
groups:
  - name: azure_ai
    rules:
      - alert: AzureAiCommitmentUsedUp
        expr: max without (instance, job, bound) (azure_ai_commitment_used_units{bound="low"}) > max without (instance, job) (azure_ai_commitment_granted_units)
        labels: {severity: critical}
        annotations:
          summary: "The commitment of {{ $labels.resource }} is used up."
          description: "{{ $value }} units used until {{ $labels.end }}. Purchase additional units in the Azure portal, Commitment Tier pricing."
      - alert: AzureAiCommitmentRunsShort
        expr: >-
          max without (instance, job, bound) (azure_ai_commitment_forecast_units{bound="likely"})
          > max without (instance, job) (azure_ai_commitment_granted_units)
        labels: {severity: warning}
        annotations:
          summary: "The commitment of {{ $labels.resource }} will not last until {{ $labels.end }}."
          description: "About {{ $value }} units will be used by then. Purchase additional units in the Azure portal, Commitment Tier pricing."
      - alert: AzureAiCommitmentEnds
        expr: (max without (instance, job) (azure_ai_commitment_end_timestamp_seconds) - time()) / 86400 < 30 > 0
        labels: {severity: warning}
        annotations:
          summary: "The commitment of {{ $labels.resource }} ends on {{ $labels.end }}."
          description: "Set or end its auto-renewal in the Azure portal, Commitment Tier pricing, before midnight UTC of that day."
      - alert: AzureAiLicenseEnded
        expr: max without (instance, job) (azure_ai_license_end_timestamp_seconds) < time()
        labels: {severity: critical}
        annotations:
          summary: "The license of {{ $labels.container }} on {{ $labels.host }} ({{ $labels.site }}) ended."
          description: "The container will not start again. Bundle, receive and roll out a new license."
      - alert: AzureAiLicenseEnds
        expr: (max without (instance, job) (azure_ai_license_end_timestamp_seconds) - time()) / 86400 < 14 >= 0
        labels: {severity: warning}
        annotations:
          summary: "The license of {{ $labels.container }} on {{ $labels.host }} ({{ $labels.site }}) ends in {{ $value | humanize }} days."
          description: "Bundle, receive and roll out a new license."
      - alert: AzureAiLicenseEndUnknown
        expr: max without (instance, job) (azure_ai_license_end_unknown) == 1
        for: 1d
        labels: {severity: info}
        annotations:
          summary: "Nobody declared when the license of {{ $labels.container }} on {{ $labels.host }} ({{ $labels.site }}) ends."
          description: "Set license_lifetime_days of its resource on the builder."
      - alert: AzureAiContainerSilent
        expr: min without (instance, job) (azure_ai_container_answered) == 0
        for: 2d
        labels: {severity: warning}
        annotations:
          summary: "{{ $labels.container }} on {{ $labels.host }} ({{ $labels.site }}) has not answered for two days."
          description: "Its usage is not counted while it is silent. Look at its log."
      - alert: AzureAiHarvestOld
        expr: >-
          (time() - max without (instance, job) (azure_ai_site_last_look_timestamp_seconds)) / 86400 > 3
          unless on (site) azure_ai_site_last_export_timestamp_seconds
        labels: {severity: warning}
        annotations:
          summary: "Nobody harvested {{ $labels.site }} for {{ $value | humanize }} days."
          description: "Look at the harvest timer of its control node."
      - alert: AzureAiExportOld
        expr: (time() - max without (instance, job) (azure_ai_site_last_export_timestamp_seconds)) / 86400 > 35
        labels: {severity: warning}
        annotations:
          summary: "{{ $labels.site }} sent no usage export for {{ $value | humanize }} days."
          description: "Ask the site for one; it will hold everything since its last receipt."
      - alert: AzureAiLedgerBroken
        expr: min without (instance, job) (azure_ai_ledger_chain_verified) == 0
        labels: {severity: critical}
        annotations:
          summary: "A row of the usage ledger was altered or left out."
          description: "The report names the row. Compare with heads written down elsewhere and restore from the backup."
"""
