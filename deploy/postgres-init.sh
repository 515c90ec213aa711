#!/bin/sh
# Makes the roles of the counter when the container of deploy/compose.yaml makes its first data.
set -e # and no more: the container's own script may read this one into itself
psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
    --file /etc/counter/postgres-roles.sql
# The passwords go through standard input: a command line can be read by others.
psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<SQL
set password_encryption = 'scram-sha-256';
set log_statement = 'none';
alter role counter_owner password '$(cat /run/secrets/owner_password)';
alter role counter_service password '$(cat /run/secrets/service_password)';
alter role counter_reader password '$(cat /run/secrets/reader_password)';
SQL
