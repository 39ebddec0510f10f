# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A license in clear, for the moment in which it is handed over.

This file is private to the collection.
"""

from __future__ import annotations

import os
import typing as t

from ansible.errors import AnsibleError

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import digest_file
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import IntegrityError, MissingError


def opened(loader: t.Any, path: str, digest: str, container: str) -> bytes:
    """The license of a container, decrypted by Ansible's vault. It must be the blob that its release names.

    :param digest: digest of the encrypted license, as the release has it
    :raises AirgapError: it is not there, another one, or no secret at hand opens it
    """
    what = f"license of container {container}"
    if not os.path.isfile(path):
        raise MissingError(what, f"{path} is not there", "receive the bundle again")
    if str(digest_file(path)[0]) != digest:
        raise IntegrityError(what, f"{path} is not the one that its release names", "receive the bundle again")
    real = ""
    try:
        real = loader.get_real_file(path, decrypt=True)
        with open(real, "rb") as stream:
            return stream.read()
    except AnsibleError as exc:
        raise MissingError(what, "no vault secret at hand opens it", "run with --vault-id or set vault_identity_list to what it was encrypted with") from exc
    finally:
        loader.cleanup_tmp_file(real)
