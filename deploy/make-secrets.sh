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
cd secrets
postgres=$(random)
valkey=$(random)
printf '%s' "$postgres" >postgres_password
printf 'postgresql://counter:%s@postgres:5432/counter' "$postgres" >database_url
printf 'user default on >%s ~* &* +@all\n' "$valkey" >valkey.acl
printf 'redis://:%s@valkey:6379/0' "$valkey" >redis_url
printf '*\n' >.gitignore
echo "made deploy/secrets"
