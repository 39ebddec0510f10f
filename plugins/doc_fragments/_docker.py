# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a module reaches the Docker Engine.

This file is private to the collection.
"""

from __future__ import annotations


class ModuleDocFragment:
    """Options of modules that speak to an engine."""

    DOCUMENTATION = r"""
options:
  docker_socket:
    description:
      - Path of the Docker Engine's Unix socket.
      - The user needs access to it, which is as good as root on that machine.
    type: path
    default: /var/run/docker.sock
"""
