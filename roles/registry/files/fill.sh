#!/bin/sh
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# fill.sh FOLDER STORE PORT PUSH-IMAGES: puts the store's images into the registry in FOLDER, once for each state of the store. The instance that
# takes them in listens on the loopback address, and only as long as this runs.
set -eu
folder=$1 store=$2 port=$3 push=$4
state=$(sha256sum <"$store/index.json")
if [ "$(cat "$folder/filled" 2>/dev/null)" = "$state" ]; then
    exit 0
fi
docker-registry serve "$folder/push.yml" >"$folder/push.log" 2>&1 &
registry=$!
trap 'kill "$registry" 2>/dev/null || :' EXIT INT TERM
tries=100
until python3 -c 'import socket, sys; socket.create_connection(("127.0.0.1", int(sys.argv[1])), 1)' "$port" 2>/dev/null; do
    tries=$((tries - 1))
    if [ "$tries" = 0 ] || ! kill -0 "$registry" 2>/dev/null; then
        echo "the registry does not start on port $port: $(tail -n 1 "$folder/push.log")" >&2
        exit 1
    fi
    sleep 0.1
done
sh "$push" "$store" "docker://127.0.0.1:$port" --dest-tls-verify=false
printf '%s\n' "$state" >"$folder/filled"
echo filled
