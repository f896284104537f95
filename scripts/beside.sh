#!/usr/bin/env bash
# beside NAME COMMAND... -- MAIN...: runs COMMAND beside MAIN, on what MAIN leaves of the processor.
# MAIN's words come as they are said; COMMAND's are kept, and shown behind them only when it failed. The status is MAIN's,
# or COMMAND's when MAIN is fine. `make test` checks types this way: pytest's own summary stays the last thing to read.
set -uo pipefail
name=$1
shift
aside=()
while [ "$#" -gt 0 ] && [ "$1" != -- ]; do
  aside+=("$1")
  shift
done
shift
said=$(mktemp)
trap 'rm -f "$said"' EXIT
nice -n 10 "${aside[@]}" >"$said" 2>&1 &
beside=$!
"$@"
status=$?
wait "$beside"
aside_status=$?
if [ "$aside_status" -ne 0 ]; then
  printf '\n== %s: FAILED with status %d\n' "$name" "$aside_status" >&2
  cat "$said" >&2
fi
exit "$((status ? status : aside_status))"
