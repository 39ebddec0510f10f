# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan file: what a change ticket carries of hosts that have something to do, nothing, a problem, or no answer."""

from __future__ import annotations

import typing as t
from pathlib import Path

import jinja2

TEMPLATE = Path(__file__).parents[3] / "roles/preflight/templates/plan.txt.j2"
LICENSE = {"line": "license of sentiment: 30 days left (amber)"}
NOTHING: dict[str, t.Any] = {"lines": [], "warnings": [], "problems": [], "licenses": []}
WRITTEN = """Rollout plan of plant-7

busy-1
  container sentiment: none -> 1
  warning: slow
  licenses:
    license of sentiment: 30 days left (amber)
    license of sentiment: 30 days left (amber)

calm-1
  nothing to do
  licenses:
    license of sentiment: 30 days left (amber)

bare-1
  PROBLEM: no engine

wrong-1
  PROBLEM: container a: port is missing; give it one

gone-1
  no answer: not planned

mute-1
  no answer: not planned
"""


def test_every_host_is_in_it_with_the_days_of_its_licenses() -> None:
    plans = {
        "busy-1": {"plan": {**NOTHING, "lines": ["container sentiment: none -> 1"], "warnings": ["slow"], "licenses": [LICENSE, LICENSE]}},
        "calm-1": {"plan": {**NOTHING, "licenses": [LICENSE]}},
        "bare-1": {"plan": {**NOTHING, "problems": ["no engine"]}},
    }
    failed = {"wrong-1": {"failed": True, "msg": "container a: port is missing; give it one"}}
    mute = {"mute-1": {"unreachable": True, "msg": "Failed to connect to the host via ssh"}}
    environment = jinja2.Environment(trim_blocks=True, undefined=jinja2.StrictUndefined, keep_trailing_newline=True)  # as Ansible's template module
    hostvars = {name: {"preflight_result": value} for name, value in {**plans, **failed}.items()}
    hostvars |= {"gone-1": {}, **{name: {"preflight_result": value} for name, value in mute.items()}}
    text = environment.from_string(TEMPLATE.read_text()).render(preflight_site="plant-7", ansible_play_hosts_all=list(hostvars), hostvars=hostvars)
    assert text == WRITTEN
