# shellcheck shell=bash disable=SC2034
# What the scripts share. Source it: . "$(dirname "$0")/lib.sh"

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Where things are built. Further builds (clang, sanitizers) get a suffix: build-asan.
build=${LAMBENT_BUILD:-$root/build}

if [ -t 1 ]; then bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' off=$'\e[0m'; else bold='' dim='' red='' off=''; fi

say() { printf '%s==> %s%s\n' "$bold" "$*" "$off"; }
note() { printf '%s    %s%s\n' "$dim" "$*" "$off"; }
die() {
    printf '%serror:%s %s\n' "$red" "$off" "$*" >&2
    exit 1
}

need_root() { # what for
    [ "$(id -u)" = 0 ] && return
    die "$1 needs root. Try: sudo $0"
}

# A loopback port that nobody listens on: the one asked for, else any.
free_port() { # [preferred]
    /usr/bin/python3 - "${1:-0}" <<'PY'
import socket, sys
for port in (int(sys.argv[1]), 0):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        s.bind(("127.0.0.1", port))
    except OSError:
        continue
    print(s.getsockname()[1])
    break
PY
}
