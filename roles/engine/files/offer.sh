#!/bin/sh
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Offer the packages of a folder to apt as an archive, so that it takes those that this host needs, and in no other way than from there.
# The bundle's signature vouches for them. No source of the host is written.
#
# Usage: offer.sh FOLDER [OPTION ...]    options are given to apt-get

set -eu
folder=$1
shift
cd "$folder"
rm -rf offered lists
mkdir -p offered lists/partial
number=0
for file in *.deb; do
    [ -e "$file" ] || continue # there is none
    number=$((number + 1))
    ln -s "../$file" "offered/$number.deb" # the escaped colon of an epoch would be escaped once more
    dpkg-deb --field "$file"
    printf 'Filename: ./offered/%s.deb\nSize: %s\nSHA256: %s\n\n' "$number" "$(stat -c %s "$file")" "$(sha256sum "$file" | cut -d' ' -f1)"
done >Packages
printf 'deb [trusted=yes] file:%s ./\n' "$PWD" >sources.list
exec apt-get "$@" update -qq
