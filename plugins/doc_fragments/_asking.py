# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How usage endpoints are asked.

This file is private to the collection.
"""

from __future__ import annotations


class ModuleDocFragment:
    """Options of modules that ask endpoints, or have them asked."""

    DOCUMENTATION = r"""
options:
  since:
    description: First month to ask for, as C(YYYY-MM). Without O(since) and O(until) only all time is asked for.
    type: str
  until:
    description: Last month to ask for, as C(YYYY-MM). Default is the current month in UTC.
    type: str
  timeout:
    description: Seconds for one request, the whole body included.
    type: float
    default: 10
  retries:
    description:
      - Further attempts when no complete answer came or the answer was HTTP 408, 429, 500, 502, 503 or 504, with growing pauses.
      - An endpoint that stayed silent for one scope gets one attempt for the next, and after two only all time is asked for.
    type: int
    default: 2
  concurrency:
    description: Endpoints asked at the same time.
    type: int
    default: 4
  ca_path:
    description: PEM file or folder of certificates to trust for C(https), where the asking is done.
    type: path
  validate_certs:
    description: Whether certificates of C(https) endpoints are checked.
    type: bool
    default: true
  max_body:
    description: Largest body accepted, in bytes.
    type: int
    default: 4194304
"""
