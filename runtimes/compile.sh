#!/bin/sh
# Compile the Python runtime at installation: compile.sh DIR (relative to DESTDIR, if that is set).
# The bytecode is valid without looking at the sources' dates, which packages do not keep.
set -eu
dir=${DESTDIR:-}$1
for python in /usr/bin/python3.[0-9] /usr/bin/python3.[0-9][0-9]; do
    [ -x "$python" ] || continue
    "$python" -S -m compileall -q --invalidation-mode unchecked-hash "$dir" ||
        echo "$python could not compile the Python runtime; its functions will start slower" >&2
done
