#!/bin/sh
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# push-images.sh STORE DESTINATION [SKOPEO OPTION…]: copies every image of a store to a registry, bytes and digests as they are.
# DESTINATION is what images are put below, such as docker://registry.example.com/azure-ai. What the registry has is passed over.
set -eu
store=$(cd "$1" && pwd -P)
destination=${2%/}
shift 2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT INT TERM

# The store is an OCI layout, but skopeo passes over Docker's kind of manifest in one; as a folder of blobs it takes both.
python3 - "$store" >"$folder/images" <<'END'
import json
import sys

with open(sys.argv[1] + "/holdings.json", encoding="utf-8") as stream:
    for image in json.load(stream)["images"]:
        digests = [image["manifest"], image["config"], *(layer["digest"] for layer in image["layers"])]
        print(image["repository"], image["tag"], *(digest.rpartition(":")[2] for digest in digests))
END

while read -r repository tag manifest blobs; do
    mkdir "$folder/image"
    ln -s "$store/blobs/sha256/$manifest" "$folder/image/manifest.json"
    for blob in $blobs; do
        ln -sf "$store/blobs/sha256/$blob" "$folder/image/$blob"
    done
    printf '%s:%s\n' "$repository" "$tag"
    skopeo copy --quiet --preserve-digests "$@" "dir:$folder/image" "$destination/$repository:$tag" </dev/null
    rm -r "$folder/image"
done <"$folder/images"
