#!/bin/sh
# What the program is made of, looked at by tools that are in no environment of it (requirements-audit.lock).
#
#   sh deploy/supply-chain.sh audit   ask for known vulnerabilities of every locked package; one that cannot be
#                                     looked up is an error, too
#   sh deploy/supply-chain.sh sbom    write dist/sbom.json (CycloneDX), the bill of materials of `make run`
set -eu
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM

"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
    -r requirements-audit.lock

case ${1:-} in
audit)
    for lock in requirements.lock requirements-dev.lock requirements-audit.lock; do
        echo "auditing $lock"
        "$folder/venv/bin/pip-audit" --strict --require-hashes --disable-pip --progress-spinner off -r "$lock"
    done
    ;;
sbom)
    mkdir -p dist
    # The same lock gives the same bytes.
    "$folder/venv/bin/python" -W ignore -m cyclonedx_py requirements --pyproject pyproject.toml \
        --output-reproducible --validate --output-format JSON --output-file dist/sbom.json requirements.lock
    echo "wrote dist/sbom.json"
    ;;
*)
    echo "usage: sh deploy/supply-chain.sh audit|sbom" >&2
    exit 2
    ;;
esac
