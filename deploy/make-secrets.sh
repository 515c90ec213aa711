#!/bin/sh
# Make random passwords for deploy/compose.yaml, once, in deploy/secrets.
#
# Only you can enter the folder; the files in it are readable, because the containers' users, to whom Docker shows
# them one by one, are not you.
set -eu
cd "$(dirname "$0")"
if [ -e secrets ]; then
    echo "deploy/secrets is there already; nothing was changed" >&2
    exit 1
fi
random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

umask 022
mkdir -m 700 secrets
owner=$(random)
service=$(random)
reader=$(random)
valkey=$(random)
printf '%s' "$(random)" >secrets/postgres_password
printf '%s' "$owner" >secrets/owner_password
printf '%s' "$service" >secrets/service_password
printf '%s' "$reader" >secrets/reader_password
printf '%s' "$(random)" >secrets/grafana_password
printf 'postgresql://counter_owner:%s@postgres:5432/counter' "$owner" >secrets/owner_url
printf 'postgresql://counter_service:%s@postgres:5432/counter' "$service" >secrets/database_url
sed "s/PASSWORD/$valkey/" valkey.acl >secrets/valkey.acl
printf 'redis://counter:%s@valkey:6379/0' "$valkey" >secrets/redis_url
printf '*\n' >secrets/.gitignore
echo "made deploy/secrets"
