# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a site needs, for modules that write it.

This file is private to the collection.
"""

from __future__ import annotations


class ModuleDocFragment:
    """The option C(wants); a module that does nothing else marks it required."""

    DOCUMENTATION = r"""
options:
  wants:
    description: What the site needs. Nothing else leaves the site with it.
    type: dict
    suboptions:
      containers:
        description: "The site's containers, each with C(service), C(tag), C(resource) and C(options)."
        type: list
        elements: dict
        default: []
      os:
        description: Releases of its hosts, for example V(debian-12).
        type: list
        elements: str
        default: []
      control:
        description: "The control node, with C(os), C(python) and C(arch)."
        type: dict
        default: {}
      packages:
        description:
          - Paths of what was noted of each host's packages, as C(package_info) returns it. Where one is not there, nothing is told of any, and
            the packages of the next bundle are complete.
        type: list
        elements: path
        default: []
"""
