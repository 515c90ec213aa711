#!/bin/sh
# Make build/tools/NAME, an environment of tools that neither the program nor its tests import, from
# requirements-NAME.lock. A second run finds its stamp and installs nothing.
#
#   sh deploy/tools.sh deploy   hadolint, Helm, the schemas of Kubernetes and Compose
#   sh deploy/tools.sh docs     mkdocs-material
set -eu
cd "$(dirname "$0")/.."
name=${1:?usage: sh deploy/tools.sh deploy|docs}
lock=requirements-$name.lock
folder=build/tools/$name
if cmp -s "$lock" "$folder/stamp" 2>/dev/null; then exit 0; fi
rm -rf "$folder"
"${PYTHON:-python3}" -m venv "$folder"
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --require-hashes \
    --only-binary :all: -r "$lock"
cp "$lock" "$folder/stamp"
