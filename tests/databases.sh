#!/usr/bin/env bash
# Database servers for the tests: private ones, each with a directory and a port of its own on loopback.
#
#   tests/databases.sh install                    installs PostgreSQL and MariaDB where they are missing (Debian, Ubuntu)
#   tests/databases.sh postgres|mariadb PORT      runs a server until its standard input ends
#
# A running server takes `stop` and `start` as lines and says `ready` or `stopped`. However its caller ends, its input ends
# with it, so no server and no directory is left behind.
set -euo pipefail

# Debian keeps PostgreSQL's programs out of the path, one directory a version, and MariaDB's server where only root looks.
for directory in /usr/lib/postgresql/*/bin; do PATH=$directory:$PATH; done
PATH=$PATH:/usr/sbin
PASSWORD=tests-only

install() {
    # All of them; `command -v` is content with one.
    if type initdb pg_isready psql mariadb-install-db mariadbd mariadb-admin mariadb >/dev/null 2>&1; then return; fi
    local root=() policy=/usr/sbin/policy-rc.d made=
    if [ "$(id -u)" != 0 ]; then root=(sudo); fi
    # Debian starts a server as soon as it is installed, unless this file forbids it.
    if [ ! -e $policy ]; then
        printf '#!/bin/sh\nexit 101\n' | "${root[@]}" tee $policy >/dev/null
        "${root[@]}" chmod +x $policy
        made=yes
    fi
    "${root[@]}" apt-get update -qq
    local failed=
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -qq -y --no-install-recommends postgresql mariadb-server || failed=yes
    if [ -n "$made" ]; then "${root[@]}" rm $policy; fi
    [ -z "$failed" ]
}

# PostgreSQL refuses to run as root, and MariaDB should not: their packages made users for it.
be() {
    if [ "$(id -u)" = 0 ]; then
        as_user=(setpriv --reuid="$1" --regid="$1" --clear-groups)
        chown -R "$1" "$directory"
    fi
}

make_postgres() {
    printf '%s' $PASSWORD >"$directory/password"
    be postgres
    "${as_user[@]}" initdb --pgdata="$directory/data" --username=admin --pwfile="$directory/password" \
        --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 --no-sync
}

start_postgres() {
    "${as_user[@]}" postgres -D "$directory/data" -p "$port" -c listen_addresses=127.0.0.1 \
        -c unix_socket_directories= -c fsync=off -c max_connections=50 &
    server=$!
    until pg_isready -q -h 127.0.0.1 -p "$port"; do alive; done
}

make_mariadb() {
    be mysql
    "${as_user[@]}" mariadb-install-db --no-defaults --datadir="$directory/data" --skip-test-db \
        --auth-root-authentication-method=normal
    start_mariadb
    mariadb --no-defaults --socket="$directory/socket" --user=root <<<"
        create user admin@'%' identified by '$PASSWORD';
        grant all on *.* to admin@'%' with grant option;
        create database tests;"
}

start_mariadb() {
    "${as_user[@]}" mariadbd --no-defaults --datadir="$directory/data" --tmpdir="$directory" \
        --port="$port" --bind-address=127.0.0.1 --socket="$directory/socket" --pid-file="$directory/pid" --skip-name-resolve \
        --innodb-buffer-pool-size=32M --innodb-flush-log-at-trx-commit=0 &
    server=$!
    until mariadb-admin --no-defaults --socket="$directory/socket" --user=root --silent ping; do alive; done
}

# Between two looks at a server that starts: it may have ended instead.
alive() {
    kill -0 "$server"
    sleep 0.05
}

stop() {
    if [ -n "$server" ]; then
        # To PostgreSQL this is the quick way; MariaDB does not know it.
        if [ "$kind" = postgres ]; then kill -INT "$server"; else kill -TERM "$server"; fi
        wait "$server" || true
        server=
    fi
}

clean_up() {
    local status=$?
    if [ $status != 0 ]; then cat "$directory/log" >&3 || true; fi
    stop || true
    rm -rf "$directory"
}

run() {
    directory=$(mktemp -d)
    server= as_user=()
    trap clean_up EXIT
    # Whoever waits for the end of the output must not wait for the server: it says what it has to say in a file.
    exec 3>&1 >"$directory/log" 2>&1
    # Not within `||` or `&&`, where bash goes on behind a command that failed.
    "make_$kind"
    if [ -z "$server" ]; then "start_$kind"; fi
    echo ready >&3
    while read -r line; do
        case $line in
            stop)
                stop
                echo stopped >&3
                ;;
            start)
                "start_$kind"
                echo ready >&3
                ;;
        esac
    done
}

case "${1:-}" in
    install) install ;;
    postgres | mariadb)
        kind=$1 port=$2
        run
        ;;
    *)
        sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
        exit 2
        ;;
esac
