#!/bin/sh
# The command `counter` on a plain machine, with the settings of the service:
#
#   install -m 755 /opt/counter/deploy/systemd/counter.sh /usr/local/bin/counter
#
# It reads /etc/counter/counter.env as systemd does, so a value may have any character and is no shell; write it without
# quotes. What is set before the command wins, as in `COUNTER_DATABASE_URL=… counter migrate`. Only root can read the file.
set -eu
while IFS= read -r line || [ -n "$line" ]; do
    case $line in
    COUNTER_*=*) printenv "${line%%=*}" >/dev/null || export "${line?}" ;;
    esac
done </etc/counter/counter.env
export COUNTER_SPOOL_DIR="${COUNTER_SPOOL_DIR:-/var/lib/counter/spool}" PYTHONPATH=/opt/counter
exec /opt/counter/.venv/bin/python -P -m counter "$@"
