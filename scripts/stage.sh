#!/usr/bin/env bash
# stage NAME COMMAND...: runs one stage of `make check`, names it and says how long it took; its status is the command's.
# The Makefile calls it for everything but pytest, whose own summary must be the last thing a reader sees.
set -uo pipefail
name=$1
shift
printf '\n== %s\n' "$name"
started=$SECONDS
"$@"
status=$?
if [ "$status" -eq 0 ]; then
  printf '   %s: fine (%d s)\n' "$name" "$((SECONDS - started))"
else
  printf '   %s: FAILED with status %d (%d s)\n' "$name" "$status" "$((SECONDS - started))" >&2
fi
exit "$status"
