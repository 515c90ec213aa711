#!/bin/sh
# Fuzz each parser for some seconds with atheris, in a throw-away venv beside the project's own.
#
#   make fuzz                 a minute each
#   make fuzz SECONDS=3600    an hour each
#   make fuzz TARGETS=log_line
set -eu
cd "$(dirname "$0")/../.."
seconds=${SECONDS_EACH:-60}
targets=${TARGETS:-hit_body address_header log_line log_formats mysql_dump import_files spool_segment}
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
.venv/bin/python -m venv "$venv"
if ! "$venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: atheris >"$venv/log" 2>&1; then
    printf 'There is no ready-made atheris for %s; `make test` fuzzes the same targets with hypothesis.\n' \
        "$("$venv/bin/python" -V)"
    exit 0
fi
"$venv/bin/python" - <<PYTHON
import pathlib, sysconfig
ours = next(pathlib.Path(".venv/lib").glob("python3*/site-packages")).resolve()
pathlib.Path(sysconfig.get_path("purelib"), "project.pth").write_text(f"{ours}\n{pathlib.Path.cwd()}\n")
PYTHON
for target in $targets; do
    printf '\n%s for %s seconds\n' "$target" "$seconds"
    "$venv/bin/python" -m tests.fuzz "$target" -max_total_time="$seconds" -max_len=8192 -timeout=5 -print_final_stats=1 \
        -artifact_prefix="fuzz-$target-"
done
