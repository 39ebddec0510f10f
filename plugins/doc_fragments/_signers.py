# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose signatures a module believes.

This file is private to the collection.
"""

from __future__ import annotations


class ModuleDocFragment:
    """The option of modules that verify signatures and have words of their own for ``allowed_signers``; ``bundle`` has both for those that verify bundles."""

    DOCUMENTATION = r"""
options:
  revoked_keys:
    description: Revoked keys, as a key revocation list or public keys a line each.
    type: path
"""

    BUNDLE = r"""
options:
  allowed_signers:
    description: Allowed-signers file of OpenSSH. The signer must be a principal C(builder@…) allowed for the namespace C(azure-ai-bundle).
    type: path
    required: true
  revoked_keys:
    description: Revoked keys, as a key revocation list or public keys a line each.
    type: path
"""
