# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Layers of images that are packed with zstd, and which engines read them.

This file is private to the collection.
"""

from __future__ import annotations

import typing as t

PROGRAM = "zstd"  # what unpacks them for engines that cannot; Debian's package has its name
READER = 26  # the first version of Docker that reads them

Layer = t.Mapping[str, t.Any]


def packed(layer: Layer) -> bool:
    """Whether a layer is packed with it."""
    return str(layer.get("media_type", "")).endswith(("+zstd", ".zstd"))  # as OCI and as Docker spell it


def unread(layers: t.Iterable[Layer], engine_version: str) -> bool:
    """Whether this engine cannot read one of the layers as it is."""
    major = engine_version.partition(".")[0]
    return any(packed(layer) for layer in layers) and major.isdigit() and int(major) < READER
