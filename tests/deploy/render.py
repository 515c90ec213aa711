"""Prints what `helm lint` and `helm template` say; runs in the environment of tools (deploy/tools.sh).

python render.py CHART '{"values": "as JSON"}' → {"lint": …, "manifests": {file: text}, "refused": [[file, why]]}
"""

import json
import sys

import helm_python
import kubernetes_validate
import yaml

OTHERS = {"ServiceMonitor"}
"""Kinds that Kubernetes' own schemas do not have."""


def main(chart: str, values: str) -> None:
    """Lint, render, and judge each manifest by the oldest and the newest schemas of Kubernetes."""
    lint = helm_python.lint(chart, strict=True)
    with helm_python.Chart.load(chart) as loaded:
        chosen = json.loads(values)
        try:
            loaded.validate_schema(chosen)
        except helm_python.HelmError as error:
            sys.stdout.write(json.dumps({"invalid": str(error)}))
            return
        manifests = loaded.render(chosen, name="counter", namespace="portals")
    refused = []
    found = []
    for file, text in manifests.items():
        if not file.endswith(".yaml"):
            continue
        for manifest in filter(None, yaml.safe_load_all(text)):
            found.append(manifest)
            if manifest["kind"] in OTHERS:
                continue
            for version in ("1.28", "1.37"):
                try:
                    kubernetes_validate.validate(manifest, version, strict=True)
                except kubernetes_validate.ValidationError as error:
                    refused.append([file, version, str(error)])
    sys.stdout.write(json.dumps({"lint": lint, "manifests": found, "refused": refused}))


if __name__ == "__main__":
    main(*sys.argv[1:])
