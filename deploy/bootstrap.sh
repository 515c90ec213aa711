#!/bin/sh
# Make .venv ready for the Makefile's targets from nothing but Python, in words instead of tracebacks.
#
#   sh deploy/bootstrap.sh run      what the service needs              (requirements.lock)
#   sh deploy/bootstrap.sh check    that, the tools, and this project   (requirements-dev.lock)
#   sh deploy/bootstrap.sh test     that, a browser, and what else the tests run
#   sh deploy/bootstrap.sh bench    what check has, and the load generator wrk
#
# PYTHON=/path/to/python chooses another interpreter. A second run finds its stamp and installs nothing.
set -eu
cd "$(dirname "$0")/.."
goal=${1:-run}
venv=.venv
python=$venv/bin/python
log=$venv/install.log
trap 'exit 130' INT TERM

say() { printf '%s\n' "$*"; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }
is_root_with_apt() { [ "$(id -u)" = 0 ] && have apt-get; }

suits() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' >/dev/null 2>&1; }

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        suits "$PYTHON" || fail "PYTHON=$PYTHON is not a Python 3.11 to 3.14"
        say "$PYTHON"
        return
    fi
    for candidate in python3 python3.14 python3.13 python3.12 python3.11 python; do
        if suits "$candidate"; then say "$candidate"; return; fi
    done
    fail "Python 3.11 to 3.14 is needed$(found_instead); install one, or name it: make $goal PYTHON=/path/to/python3"
}

found_instead() { if have python3; then say " (python3 is $(python3 -V 2>&1 | cut -d' ' -f2))"; fi; }

apt_install() {
    say "Installing $* with apt-get"
    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"; } >>"$log" 2>&1
}

make_venv() {
    if "$python" -m pip --version >/dev/null 2>&1; then return; fi
    interpreter=$(find_python)
    rm -rf "$venv" 2>/dev/null || :
    mkdir -p "$venv" 2>/dev/null && [ -w "$venv" ] || fail "cannot write to $PWD; clone into a folder that you can write"
    if ! "$interpreter" -c 'import venv, ensurepip' >/dev/null 2>&1; then
        # Only the tests may change the system: they need a browser from there as well.
        [ "$goal" = test ] && is_root_with_apt && apt_install python3-venv || :
        "$interpreter" -c 'import venv, ensurepip' >/dev/null 2>&1 ||
            fail "this Python has no venv module; run \`apt-get install python3-venv\` (or your system's package of that name)"
    fi
    "$interpreter" -m venv "$venv" >>"$log" 2>&1 || explain "$log"
}

pip_install() {
    "$python" -m pip install --disable-pip-version-check --no-input --progress-bar off --retries 2 --timeout 20 \
        "$@" >>"$log" 2>&1 || explain "$log"
}

# One line for what usually goes wrong; everything else is in the log.
explain() {
    if grep -qi 'No space left on device' "$1"; then
        fail "the disk is full; free some space and run make $goal again"
    elif grep -qiE 'NewConnectionError|NameResolutionError|ConnectTimeout|Read ?Timeout|ProxyError|ConnectionReset|SSLError' "$1"; then
        fail "the package index cannot be reached; check the network or the proxy and run make $goal again"
    elif grep -qi 'DO NOT MATCH THE HASHES' "$1"; then
        fail "a downloaded package is not the locked one; see $1"
    elif grep -qi 'No matching distribution' "$1"; then
        missing=$(sed -n 's/.*No matching distribution found for \([^ ]*\).*/\1/p' "$1" | tail -n 1)
        platform=$("$python" -c 'import platform as p; print(p.system(), p.machine(), "Python", p.python_version())')
        fail "there is no ready-made $missing for this machine ($platform); try another Python: make $goal PYTHON=/path/to/python3"
    fi
    fail "$(grep -iE 'error|denied|read-only' "$1" | tail -n 1) (see $1)"
}

# The stamp holds what was installed, and where: an editable install knows its folder by its full path.
is_installed() { { pwd; cat "$1"; } | cmp -s - "$venv/$1.stamp"; }
stamp() { { pwd; cat "$1"; } >"$venv/$1.stamp"; }

install() {
    if "$python" -c '' 2>/dev/null && is_installed "$1"; then return; fi
    make_venv
    say "Installing the locked dependencies into $venv (a minute or two the first time)"
    : >"$log"
    pip_install --require-hashes --only-binary :all: -r "$1"
    if [ "$1" = requirements-dev.lock ]; then pip_install --no-deps --no-build-isolation --editable .; fi
    stamp "$1"
}

find_browser() {
    have chromium || have chromium-browser || have google-chrome || [ -n "$(ls -d "$venv"/browsers/chromium-* 2>/dev/null)" ]
}

shows_vietnamese() { have fc-list && [ -n "$(fc-list :lang=vi 2>/dev/null | head -n 1)" ]; }

install_browser() {
    if is_root_with_apt; then
        wanted=
        find_browser || wanted=chromium
        shows_vietnamese || wanted="$wanted fontconfig fonts-dejavu-core"
        # shellcheck disable=SC2086  # a list of packages
        [ -z "$wanted" ] || apt_install $wanted || say "apt-get could not install $wanted; see $log"
    fi
    if find_browser; then return; fi
    say "Installing Chromium with Playwright"
    with_libraries=$([ "$(id -u)" != 0 ] || say --with-deps)
    # shellcheck disable=SC2086  # one option or none
    PLAYWRIGHT_BROWSERS_PATH=$venv/browsers "$python" -m playwright install $with_libraries chromium >>"$log" 2>&1 ||
        fail "Chromium cannot be installed; install your system's package \`chromium\` and run make $goal again (see $log)"
}

# What the tests of deploy/ and of the dashboards run, as package:program. Debian's packages are only unpacked: nothing is
# started, and no service is left on this machine. Where they cannot be had, tests/conftest.py leaves those tests out.
programs='prometheus:promtool nginx:nginx caddy:caddy'

unpacked() { [ -n "$(ls -d "$venv/$1"/usr/*bin/"$2" 2>/dev/null)" ]; }

unpack() {
    if ! { have apt-get && have dpkg-deb; }; then return; fi
    say "Unpacking Debian's $1 into $venv/$1"
    mkdir -p "$venv/$1"
    (cd "$venv/$1" && apt-get download "$1" && dpkg-deb --extract ./*.deb . && rm -f ./*.deb) >>"$log" 2>&1 || :
}

install_programs() {
    missing=
    for each in $programs; do
        have "${each#*:}" || unpacked "${each%:*}" "${each#*:}" || missing="$missing $each"
    done
    if [ -z "$missing" ]; then return; fi
    if is_root_with_apt; then apt-get update >>"$log" 2>&1 || :; fi
    for each in $missing; do
        unpack "${each%:*}"
        unpacked "${each%:*}" "${each#*:}" ||
            say "The tests that need ${each%:*} are left out; install your system's package of that name for them (see $log)"
    done
}

install_load() {
    if have wrk || ! is_root_with_apt; then return 0; fi
    apt_install wrk || say "apt-get could not install wrk, so the bench and its test are left out; see $log"
}

case $goal in
# The developers' lock holds all of the other, in the same versions.
run) is_installed requirements-dev.lock || install requirements.lock ;;
check) install requirements-dev.lock ;;
test) install requirements-dev.lock && install_browser && install_programs && install_load ;;
bench) install requirements-dev.lock && install_load && { have wrk || fail "wrk is needed; install your system's package \`wrk\`"; } ;;
*) fail "usage: sh deploy/bootstrap.sh run|check|test|bench" ;;
esac
