# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which engines read layers that are packed with zstd."""

from __future__ import annotations

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base import zstd

OCI = "application/vnd.oci.image.layer.v1.tar+"


@pytest.mark.parametrize(
    ("version", "unread"), [("20.10.24", True), ("20.10.24+dfsg1-1+deb12u1", True), ("25.0.1", True), ("26.1.5", False), ("28.2.2", False), ("", False)]
)
@pytest.mark.parametrize("kind", [OCI + "zstd", "application/vnd.docker.image.rootfs.diff.tar.zstd"])
def test_engines_before_26_do_not_read_them(kind: str, version: str, unread: bool) -> None:
    assert zstd.unread([{"media_type": OCI + "gzip"}, {"media_type": kind}], version) is unread
    assert zstd.unread([{"media_type": OCI + "gzip"}, {}], version) is False
