#!/bin/sh
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A PostgreSQL server of its own in a folder, reached through a socket in it: postgres.sh start|stop|again FOLDER
# `start` prints the URL, `again` starts what was stopped; as root the server runs as user postgres. `postgres.sh install` gets Debian's package
# postgresql, if it is not there, without the service that the package would make and start.
set -eu

action=${1:?install, start, again or stop}
[ "$action" = install ] || folder=${2:?folder}
bin=$(find /usr/lib/postgresql -mindepth 2 -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1)
[ -n "$bin" ] || [ "$action" = install ] || { echo "postgres.sh: no server program below /usr/lib/postgresql; run postgres.sh install" >&2; exit 1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

get() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends "$@" >/dev/null
}

as_server() {
    if [ "$(id -u)" = 0 ]; then
        # The folder above may be closed to others: the server never needs its working directory.
        (cd / && setpriv --reuid=postgres --regid=postgres --init-groups env HOME=/ "$@")
    else
        "$@"
    fi
}

case $action in
install)
    [ -z "$bin" ] || exit 0
    as_root apt-get -qq update
    get postgresql-common
    as_root sed -i 's/^#create_main_cluster = true/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf
    get postgresql
    as_root sed -i 's/^create_main_cluster = false/#create_main_cluster = true/' /etc/postgresql-common/createcluster.conf
    ;;
start | again)
    if [ "$action" = start ]; then
        mkdir -p "$folder"
        [ "$(id -u)" != 0 ] || chown postgres: "$folder"
        as_server "$bin/initdb" -D "$folder/data" -A trust -U ledger -E UTF8 --no-sync >"$folder.log" 2>&1
    fi
    as_server "$bin/pg_ctl" -D "$folder/data" -l "$folder/server.log" -w \
        -o "-c listen_addresses='' -c unix_socket_directories='$folder' -c fsync=off" start >>"$folder.log" 2>&1
    echo "postgresql+psycopg://ledger@/postgres?host=$folder"
    ;;
stop)
    as_server "$bin/pg_ctl" -D "$folder/data" -m immediate -w stop >/dev/null
    ;;
*)
    echo "postgres.sh: install, start, again or stop, not $action" >&2
    exit 1
    ;;
esac
