#!/usr/bin/env bash
# A certificate authority for the tests: Pebble, the small one of Let's Encrypt for testing, with a name server that knows
# every name as 127.0.0.1. All of it has a directory and ports of its own on loopback.
#
#   tests/pebble.sh install                             installs Pebble where it is missing (Debian, Ubuntu)
#   tests/pebble.sh run PORT ROOTS DNS HTTP TLS LIFE    runs it at PORT until its standard input ends; at ROOTS it tells what
#                                                       to trust, DNS is the name server, HTTP and TLS are where it looks
#                                                       whether a name is ours, LIFE is that of certificates in seconds
#
# It takes `stop` and `start` as lines and says `ready DIRECTORY` or `stopped`; the directory has its own certificate,
# `cert.pem`, and its log. After a `stop` it has forgotten all accounts. PEBBLE_… variables go for it too; with EXTERNAL_KEY
# it makes accounts only for those who have that key, by the id `kid-1`.
# However its caller ends, its input ends with it, so no server and no directory is left behind.
set -euo pipefail

install() {
    # All of them; `command -v` is content with one.
    if type pebble pebble-challtestsrv openssl >/dev/null 2>&1; then return; fi
    local root=()
    if [ "$(id -u)" != 0 ]; then root=(sudo); fi
    "${root[@]}" apt-get update -qq
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends pebble openssl
}

make() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=Pebble of the tests" \
        -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE \
        -keyout "$directory/key.pem" -out "$directory/cert.pem"
    if [ -n "${EXTERNAL_KEY:-}" ]; then
        local external=", \"externalAccountBindingRequired\": true, \"externalAccountMACKeys\": {\"kid-1\": \"$EXTERNAL_KEY\"}"
    fi
    cat >"$directory/config.json" <<CONFIG
{"pebble": {
    "listenAddress": "127.0.0.1:$port", "managementListenAddress": "127.0.0.1:$roots",
    "certificate": "$directory/cert.pem", "privateKey": "$directory/key.pem",
    "httpPort": $http, "tlsPort": $tls, "certificateValidityPeriod": $life${external:-}
}}
CONFIG
    pebble-challtestsrv -dns01 "127.0.0.1:$dns" -defaultIPv4 127.0.0.1 -defaultIPv6 "" \
        -http01 "" -https01 "" -tlsalpn01 "" -management 127.0.0.1:0 &
    names=$!
}

start() {
    pebble -strict -config "$directory/config.json" -dnsserver "127.0.0.1:$dns" &
    server=$!
    until (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
        # It may have ended instead.
        kill -0 "$server"
        sleep 0.05
    done
}

stop() {
    if [ -n "$server" ]; then
        kill "$server"
        wait "$server" || true
        server=
    fi
}

clean_up() {
    local status=$?
    if [ $status != 0 ]; then cat "$directory/log" >&3 || true; fi
    stop || true
    [ -z "$names" ] || kill "$names" || true
    rm -rf "$directory"
}

run() {
    directory=$(mktemp -d)
    server= names=
    trap clean_up EXIT
    # Whoever waits for the end of the output must not wait for the server: it says what it has to say in a file.
    exec 3>&1 >"$directory/log" 2>&1
    # Not within `||` or `&&`, where bash goes on behind a command that failed.
    make
    start
    echo "ready $directory" >&3
    while read -r line; do
        case $line in
            stop)
                stop
                echo stopped >&3
                ;;
            start)
                start
                echo "ready $directory" >&3
                ;;
        esac
    done
}

case "${1:-}" in
    install) install ;;
    run)
        port=$2 roots=$3 dns=$4 http=$5 tls=$6 life=$7
        run
        ;;
    *)
        sed -n '2,14s/^# \{0,1\}//p' "$0" >&2
        exit 2
        ;;
esac
