#!/bin/sh
# Makes the database on the first start, beside its place and then renamed: a start that was cut short is begun anew.
# Writes to $PGDATA, /var/run/postgresql and /tmp only.
set -eu

user=${POSTGRES_USER:-postgres}
database=${POSTGRES_DB:-$user}
password=${POSTGRES_PASSWORD:-}
if [ -n "${POSTGRES_PASSWORD_FILE:-}" ]; then password=$(cat "$POSTGRES_PASSWORD_FILE"); fi

if [ "${1:-}" = postgres ] && [ ! -s "$PGDATA/PG_VERSION" ]; then
  if [ -z "$password" ]; then
    echo "The first start needs POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE." >&2
    exit 64
  fi
  new=$PGDATA.new
  rm -rf "$new" "$PGDATA"
  # shellcheck disable=SC2086 - POSTGRES_INITDB_ARGS is several arguments
  printf '%s\n' "$password" | initdb -D "$new" --username="$user" --pwfile=/dev/stdin --encoding=UTF8 --locale=C.UTF-8 \
    --auth-local=trust --auth-host=scram-sha-256 ${POSTGRES_INITDB_ARGS:-}
  echo "host all all all scram-sha-256" >> "$new/pg_hba.conf"
  echo "listen_addresses = '*'" >> "$new/postgresql.conf"
  # Not reachable from outside before everything is there.
  pg_ctl -D "$new" -w -o "-c listen_addresses=''" start
  if [ "$database" != postgres ]; then createdb --username="$user" --maintenance-db=postgres "$database"; fi
  for script in /docker-entrypoint-initdb.d/*; do
    case $script in
      *.sh) sh "$script" ;;
      *.sql) psql -v ON_ERROR_STOP=1 --username="$user" --dbname="$database" --file="$script" ;;
    esac
  done
  pg_ctl -D "$new" -m fast -w stop
  mv "$new" "$PGDATA"
fi

exec "$@"
