"""The chart, rendered by Helm's own engine and held to the schemas of Kubernetes."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from counter.config import PREFIX, Settings

pytestmark = pytest.mark.judged

EVERYTHING = {
    "serviceMonitor": {"enabled": True, "labels": {"release": "monitoring"}},
    "ingress": {"enabled": True, "className": "nginx", "annotations": {"a": "b"}},
    "autoscaling": {"hitsPerSecond": 500},
    "spool": {"existingClaim": "spool"},
    "settings": {"COUNTER_LANES": "8"},
    "trustedProxies": "10.0.0.0/8",
    "publicUrl": "https://counter.example",
    "networkPolicy": {
        "fromIngress": [{"podSelector": {"matchLabels": {"app": "ingress"}}}],
        "fromPrometheus": [{"namespaceSelector": {}}],
        "toStores": [{"ipBlock": {"cidr": "10.1.0.0/16"}}],
    },
}


@pytest.fixture
def render(here: Path, tools: Callable[[str], Path]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def run(values: dict[str, Any]) -> dict[str, Any]:
        ran = subprocess.run(
            [tools("deploy") / "python", here / "tests/deploy/render.py", "deploy/kubernetes", json.dumps(values)],
            cwd=here, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stderr
        found: dict[str, Any] = json.loads(ran.stdout)
        return found

    return run


@pytest.mark.parametrize("values", [{}, EVERYTHING], ids=["defaults", "everything"])
def test_chart_is_clean(render, values):
    """`helm lint --strict` finds nothing, and every manifest fits the oldest and newest Kubernetes that we name."""
    made = render(values)
    assert made["lint"]["errors"] == []
    assert [note for note in made["lint"]["messages"] if note["severity"] > 1] == []
    assert made["refused"] == []
    kinds = {manifest["kind"] for manifest in made["manifests"]}
    wanted = {
        "Deployment",
        "Service",
        "Job",
        "HorizontalPodAutoscaler",
        "PodDisruptionBudget",
        "NetworkPolicy",
    }
    assert kinds == wanted | ({"ServiceMonitor", "Ingress"} if values else set())


def test_pods_are_hardened_and_told_right(render):
    """All containers are unprivileged and bounded, secrets are files, and variables are settings that exist."""
    made = render(EVERYTHING)
    pods = [m["spec"]["template"]["spec"] for m in made["manifests"] if m["kind"] in {"Deployment", "Job"}]
    assert len(pods) == 2
    for pod in pods:
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["enableServiceLinks"] is False
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["limits"]["memory"]
            ours = {e["name"]: e["value"] for e in container["env"]}
            files = {name for name in ours if name.endswith("_FILE")}
            assert files
            rest = {n.removeprefix(PREFIX).lower(): v for n, v in ours.items() if n not in files}
            assert rest.keys() <= Settings.model_fields.keys()
            Settings(**rest)
    (container,) = pods[[len(p["containers"][0].get("ports", [])) for p in pods].index(2)]["containers"]
    assert {probe["httpGet"]["path"] for name, probe in container.items() if name.endswith("Probe")} == {
        "/healthz",
        "/readyz",
    }


def test_no_acknowledged_hit_goes_with_a_pod(render):
    """Where a pod has no lasting folder, hits are refused rather than kept in one that goes with the pod."""
    for values, megabytes in (({}, "0"), (EVERYTHING, "512")):
        (pod,) = [
            m["spec"]["template"]["spec"] for m in render(values)["manifests"] if m["kind"] == "Deployment"
        ]
        environment = {e["name"]: e["value"] for e in pod["containers"][0]["env"]}
        assert environment["COUNTER_SPOOL_MB"] == megabytes


def test_selectors_meet_their_pods(render):
    """Services, budget, policy and monitor select the pods and the Service that they are for."""
    found = render(EVERYTHING)["manifests"]
    (deployment,) = [m for m in found if m["kind"] == "Deployment"]
    labels = deployment["spec"]["template"]["metadata"]["labels"].items()
    for manifest in found:
        spec = manifest["spec"]
        if manifest["kind"] == "Service":
            assert spec["selector"].items() <= labels
        elif manifest["kind"] == "PodDisruptionBudget":
            assert spec["selector"]["matchLabels"].items() <= labels
        elif manifest["kind"] == "NetworkPolicy":
            assert spec["podSelector"]["matchLabels"].items() <= labels
    (monitor,) = [m for m in found if m["kind"] == "ServiceMonitor"]
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    assert [m["metadata"]["name"] for m in found if wanted <= m["metadata"]["labels"].items()] == [
        "counter-admin"
    ]


@pytest.mark.parametrize("values", [{"replica": 3}, {"settings": {"LANES": "8"}}, {"image": {"tag": ""}}])
def test_mistaken_values_are_refused(render, values):
    """A name that does not exist, or a value that cannot be, stops the installation."""
    assert render(values)["invalid"]
