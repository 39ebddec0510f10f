#!/bin/sh
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What is tested with, from Debian's packages: Chromium, promtool without the Prometheus service, and tools for images of FAT and ISO 9660.
# `tools.sh` gets what is missing, `tools.sh promtool` prints where promtool is.
set -eu

tools=${XDG_CACHE_HOME:-$HOME/.cache}/airgap.azure_ai/tools
promtool=$(command -v promtool || echo "$tools/usr/bin/promtool")

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

[ "${1:-}" != promtool ] || { echo "$promtool"; exit 0; }
if ! command -v chromium >/dev/null || [ ! -x "$promtool" ] || ! command -v mcopy >/dev/null; then
    as_root apt-get -qq update
fi
if ! command -v chromium >/dev/null; then
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends chromium fonts-liberation >/dev/null
fi
if ! command -v mcopy >/dev/null || ! command -v mkfs.vfat >/dev/null || ! command -v genisoimage >/dev/null; then
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends dosfstools mtools genisoimage >/dev/null
fi
if [ ! -x "$promtool" ]; then
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    (cd "$folder" && apt-get -qq download prometheus)
    mkdir -p "$tools"
    dpkg-deb --extract "$folder"/prometheus_*.deb "$tools"
fi
