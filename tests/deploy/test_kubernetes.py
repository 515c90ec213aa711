"""The chart, rendered by Helm's own engine and held to the schemas of Kubernetes."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from counter.config import PREFIX, Settings

pytestmark = pytest.mark.judged

EVERYTHING = {
    "serviceMonitor": {"enabled": True, "labels": {"release": "monitoring"}},
    "ingress": {"enabled": True, "className": "nginx", "annotations": {"a": "b"}},
    "autoscaling": {"hitsPerSecond": 500},
    "workers": 4,
    "backup": {"existingClaim": "backups"},
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
    assert kinds == wanted | ({"ServiceMonitor", "Ingress", "CronJob"} if values else set())


def test_pods_are_hardened_and_told_right(render):
    """All containers are unprivileged and bounded, secrets are files, and variables are settings that exist."""
    made = render(EVERYTHING)
    jobs = [m["spec"]["jobTemplate"] for m in made["manifests"] if m["kind"] == "CronJob"]
    works = [m for m in made["manifests"] if m["kind"] in {"Deployment", "Job"}] + jobs
    pods = [work["spec"]["template"]["spec"] for work in works]
    assert len(pods) == 4
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
    (container,) = _deployment(made["manifests"])["spec"]["template"]["spec"]["containers"]
    assert {probe["httpGet"]["path"] for name, probe in container.items() if name.endswith("Probe")} == {
        "/healthz",
        "/readyz",
    }


def _deployment(manifests: list[dict[str, Any]], name: str = "counter") -> dict[str, Any]:
    (found,) = [m for m in manifests if (m["kind"], m["metadata"]["name"]) == ("Deployment", name)]
    return found


def _environment(deployment: dict[str, Any]) -> dict[str, str]:
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return {each["name"]: each["value"] for each in container["env"]}


def test_workers_scale_with_what_a_pod_can_use(render):
    """Each worker is expected to do as much as the only one of a pod does, before pods are added."""
    for values, workers in (({}, 1), (EVERYTHING, 4)):
        found = render(values)["manifests"]
        assert _environment(_deployment(found))["COUNTER_WORKERS"] == str(workers)
        (scaler,) = [m for m in found if m["kind"] == "HorizontalPodAutoscaler"]
        assert scaler["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] == 160 * workers


def test_audit_sees_what_the_service_counts(render):
    """The audit has the stores, the lanes and the spool of the service, and can be left out."""
    found = render(EVERYTHING)["manifests"]
    service, audit = _environment(_deployment(found)), _environment(_deployment(found, "counter-audit"))
    assert audit.items() <= service.items()
    assert audit.keys() >= {"COUNTER_REDIS_URL_FILE", "COUNTER_LANES", "COUNTER_SPOOL_MB"}
    volumes = [
        _deployment(found, name)["spec"]["template"]["spec"]["volumes"]
        for name in ("counter", "counter-audit")
    ]
    assert volumes[0] == volumes[1]
    without = render({**EVERYTHING, "audit": {"enabled": False}})["manifests"]
    assert not [m for m in without if "audit" in m["metadata"]["name"]]


def test_backup_is_written_to_its_claim(render):
    """It sees what the audit sees, and writes where it outlives the pod."""
    found = render(EVERYTHING)["manifests"]
    (job,) = [m["spec"]["jobTemplate"] for m in found if m["kind"] == "CronJob"]
    assert _environment(job) == _environment(_deployment(found, "counter-audit"))
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    (folder,) = container["args"][1:]
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    claims = {each["name"]: each.get("persistentVolumeClaim") for each in pod["volumes"]}
    assert claims[mounts[folder]] == {"claimName": "backups"}


def test_no_acknowledged_hit_goes_with_a_pod(render):
    """Where a pod has no lasting folder, hits are refused rather than kept in one that goes with the pod."""
    for values, megabytes in (({}, "0"), (EVERYTHING, "512")):
        assert _environment(_deployment(render(values)["manifests"]))["COUNTER_SPOOL_MB"] == megabytes


def test_selectors_meet_their_pods(render, here):
    """Services, budget, policy and monitors select the pods and the Service that they are for, and no others."""
    found = render(EVERYTHING)["manifests"]
    pods = {
        name: _deployment(found, name)["spec"]["template"]["metadata"]["labels"]
        for name in ("counter", "counter-audit")
    }

    def met(labels: dict[str, str]) -> list[str]:
        return [name for name, pod in pods.items() if labels.items() <= pod.items()]

    for manifest in found:
        spec = manifest["spec"]
        if manifest["kind"] == "Service":
            assert met(spec["selector"]) == [manifest["metadata"]["name"].removesuffix("-admin")]
        elif manifest["kind"] == "PodDisruptionBudget":
            assert met(spec["selector"]["matchLabels"]) == ["counter"]
        elif manifest["kind"] == "NetworkPolicy":
            assert met(spec["podSelector"]["matchLabels"]) == [*pods]
            (names,) = spec["podSelector"]["matchExpressions"]
            assert names["values"] == [pod["app.kubernetes.io/name"] for pod in pods.values()]
    config = yaml.safe_load((here / "deploy/prometheus/prometheus.yml").read_text(encoding="utf-8"))
    services = {"counter": "counter-admin", "counter-audit": "counter-audit"}
    assert {job["job_name"] for job in config["scrape_configs"]} == services.keys()
    for monitor in [m for m in found if m["kind"] == "ServiceMonitor"]:
        wanted = monitor["spec"]["selector"]["matchLabels"].items()
        (endpoint,) = monitor["spec"]["endpoints"]
        (job,) = [each["replacement"] for each in endpoint["relabelings"] if each["targetLabel"] == "job"]
        meant = [
            m["metadata"]["name"]
            for m in found
            if m["kind"] == "Service" and wanted <= m["metadata"]["labels"].items()
        ]
        assert meant == [services.pop(job)]
    assert services == {}


@pytest.mark.parametrize(
    "values",
    [
        {"replica": 3},
        {"settings": {"LANES": "8"}},
        {"image": {"tag": ""}},
        {"workers": 0},
        {"settings": {"COUNTER_WORKERS": "4"}},
    ],
)
def test_mistaken_values_are_refused(render, values):
    """A name that does not exist, or a value that cannot be, stops the installation."""
    assert render(values)["invalid"]
