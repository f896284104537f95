#!/usr/bin/env bash
# The street in containers: `make up`, `make down`, `make logs`.
#   up      writes .env where there is none, builds what changed, starts all, waits until it is healthy, says where it is
#   down    ends and removes the containers; volumes and .env stay
#   logs    follows the logs
#   secrets writes .env and no more
# STAGING=1 takes docker-compose.staging.yaml too. COMPOSE_PROFILES=obs,load-ui adds what stands under those profiles.
set -euo pipefail
cd "$(dirname "$0")/.."

die() { printf '%s\n' "$*" >&2; exit 1; }

random() { od -An -v -N "$1" -tx1 /dev/urandom | tr -d ' \n'; } # BYTES: as hex

value_of() { # NAME: a fresh secret of the form that its reader wants
  case $1 in
    SLUICE_API_KEY) printf 'sluice_%s_%s' "$(random 6)" "$(random 32)" ;;
    SLUICE_S3_ACCESS_KEY) random 10 ;;
    *) random 24 ;;
  esac
}

write_secrets() {
  [ -e .env ] && return
  # Readable for others at no moment, and never half a file.
  local part=.env.$$.part line
  (
    umask 077
    while IFS= read -r line; do
      case $line in
        SLUICE_*=) printf '%s%s\n' "$line" "$(value_of "${line%=}")" ;;
        *) printf '%s\n' "$line" ;;
      esac
    done <.env.example >"$part"
  )
  # Not over a file that somebody wrote meanwhile.
  ln "$part" .env && rm "$part"
  echo 'Wrote .env with random secrets, readable for you alone.'
}

compose() {
  local files=(--file docker-compose.yaml)
  [ -z "${STAGING:-}" ] || files+=(--file docker-compose.staging.yaml)
  REVISION=${REVISION:-$(git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)} docker compose "${files[@]}" "$@"
}

need_compose() {
  command -v docker >/dev/null ||
    die 'This needs Docker with Compose, and there is no `docker` here. Without containers: make demo.'
  docker compose version >/dev/null 2>&1 ||
    die 'There is a `docker`, but no `docker compose`: install the Compose plugin, 2.24 or later.'
}

case ${1:-} in
  secrets)
    write_secrets
    ;;
  up)
    need_compose
    write_secrets
    compose up --build --detach --wait
    cat <<'WORDS'

chat      http://localhost:8002   (the first start fetches a model of 1.1 GB: /ready says how far it is)
forecast  http://localhost:8000
Ask:      curl -s localhost:8002/triage -H "Authorization: Bearer $(sed -n 's/^SLUICE_API_KEY=//p' .env)" \
               -H 'Content-Type: application/json' -d '{"patient_mrn": "P000123", "query": "Can I take ibuprofen?"}'
make logs follows what they say, make down ends it.
WORDS
    ;;
  down)
    need_compose
    compose --profile '*' down
    ;;
  logs)
    need_compose
    compose --profile '*' logs --follow --tail 100
    ;;
  *) die 'usage: compose.sh up|down|logs|secrets' ;;
esac
