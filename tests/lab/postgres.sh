#!/bin/sh
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A PostgreSQL server of its own in a folder, reached through a socket in it: postgres.sh start|stop FOLDER
# `start` prints the URL. Needs Debian's package postgresql; as root the server runs as user postgres.
set -eu

action=${1:?start or stop}
folder=${2:?folder}
bin=$(find /usr/lib/postgresql -mindepth 2 -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1)
[ -n "$bin" ] || { echo "postgres.sh: no server program below /usr/lib/postgresql; install the package postgresql" >&2; exit 1; }

as_server() {
    if [ "$(id -u)" = 0 ]; then
        # The folder above may be closed to others: the server never needs its working directory.
        (cd / && setpriv --reuid=postgres --regid=postgres --init-groups env HOME=/ "$@")
    else
        "$@"
    fi
}

case $action in
start)
    mkdir -p "$folder"
    [ "$(id -u)" != 0 ] || chown postgres: "$folder"
    as_server "$bin/initdb" -D "$folder/data" -A trust -U ledger -E UTF8 --no-sync >"$folder.log" 2>&1
    as_server "$bin/pg_ctl" -D "$folder/data" -l "$folder/server.log" -w \
        -o "-c listen_addresses='' -c unix_socket_directories='$folder' -c fsync=off" start >>"$folder.log" 2>&1
    echo "postgresql+psycopg://ledger@/postgres?host=$folder"
    ;;
stop)
    as_server "$bin/pg_ctl" -D "$folder/data" -m immediate -w stop >/dev/null
    ;;
*)
    echo "postgres.sh: start or stop, not $action" >&2
    exit 1
    ;;
esac
