#!/usr/bin/env bash
# Stands on PATH as aws, docker, terraform or kubectl: writes down that it was called, and answers as answers.sh says,
# which is written from a test's rules. A shell, because hundreds of calls are made, and Python starts ten times slower.
program=${0##*/} line="${0##*/} $*" rule=-1 status=0 out='' err='' pause=0 reads='' taken=''
# Without another process: $(<file) is one, in some shells.
IFS= read -r -d '' done <"$STUBS/done"
IFS= read -r -d '' used <"$STUBS/used"
# shellcheck source=/dev/null
source "$STUBS/answers.sh"
[ -z "$reads" ] || taken=$(cat)
{ printf '%s\x1f' "$status" "$taken" "$program" "$@" && echo; } >>"$STUBS/calls"
printf ' %s ' "$rule" >>"$STUBS/used"
[ "$status" != 0 ] || printf '%s\n' "$line" >>"$STUBS/done"
# Replaced by it, so that who ends this ends no more than this.
[ "$pause" = 0 ] || exec sleep "$pause"
printf '%s' "$out"
printf '%s' "$err" >&2
exit "$status"
