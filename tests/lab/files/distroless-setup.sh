#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# distroless-setup.sh ROOT: leaves an interpreter and its libraries; no shell, no package manager.
set -eu
root=$1
find "$root/bin" "$root/sbin" "$root/usr/bin" "$root/usr/sbin" "$root/usr/games" ! -type d ! -name python3.11 -delete 2>/dev/null || true
ln -s python3.11 "$root/usr/bin/python3"
# apt's and dpkg's own folders stay: mmdebstrap tidies them after this hook. They are left out of the image layer.
for part in usr/share usr/lib/apt usr/include usr/lib/python3.11/test usr/lib/python3.11/pydoc_data usr/lib/python3.11/idlelib \
  usr/lib/python3.11/lib2to3 usr/lib/python3.11/distutils; do
  rm -rf "${root:?}/$part"
done
find "$root" -name __pycache__ -type d -prune -exec rm -rf {} +
find "$root/dev" -mindepth 1 -delete 2>/dev/null || true
mkdir -p "$root/etc" "$root/tmp" "$root/license" "$root/output" "$root/usr/local/models"
chmod 1777 "$root/tmp"
printf 'root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532::/:/sbin/nologin\n' >"$root/etc/passwd"
printf 'root:x:0:\nnonroot:x:65532:\n' >"$root/etc/group"
chown 65532:65532 "$root/license" "$root/output" "$root/usr/local/models"
