"""deploy/k8s has Kubernetes' form, and says the same as bin/run: parts, commands, health and settings.

It has never been run on a cluster; this is what can be told without one.
"""

import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from project import confidential
from project.kafka.options import Options
from project.local.plan import Plan

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy/k8s"
VERSIONS = ("1.28", kubernetes_validate.latest_version())
TASK_TIME_LIMIT_SECONDS = 40


def manifests() -> list[dict[str, Any]]:
    files = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["resources"]
    assert {*files, "kustomization.yaml"} == {file.name for file in FOLDER.iterdir()}
    return [one for file in files for one in yaml.safe_load_all((FOLDER / file).read_text())]


ALL = manifests()
PODS = {one["metadata"]["name"]: one["spec"]["template"]["spec"] for one in ALL if one["kind"] in ("Deployment", "Job")}
DEPLOYMENTS = {one["metadata"]["name"]: one["spec"] for one in ALL if one["kind"] == "Deployment"}
SCALED = {one["metadata"]["name"]: one["spec"] for one in ALL if one["kind"] == "ScaledObject"}


@pytest.mark.parametrize("version", VERSIONS)
def test_they_fit_kubernetes_own_schemas(version: str) -> None:
    own = [one for one in ALL if "keda.sh" not in one["apiVersion"]]
    assert len(own) > 10
    for manifest in own:
        kubernetes_validate.validate(manifest, version, strict=True)


def test_a_mistake_would_be_seen() -> None:
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**ALL[0], "specc": {}}, VERSIONS[-1], strict=True)


def test_the_pods_run_what_bin_run_starts(tmp_path: Path) -> None:
    parts = Plan({"BOT_TOKEN": "1:x"}, 8000, 8000, 9092, 6379, "password", "mark", tmp_path).parts
    commands = {name: pod["containers"][0]["command"] for name, pod in PODS.items()}
    assert commands == {**parts, "prepare": ["bin/start", "prepare"]}


def test_they_run_the_image_of_docker_compose() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    images = {pod["containers"][0]["image"] for pod in PODS.values()}
    assert images == {compose["web"]["image"]}
    assert yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["images"][0]["name"] in images


def test_their_settings_are_settings() -> None:
    (config,) = (one["data"] for one in ALL if one["kind"] == "ConfigMap")
    known = set(re.findall(r"^#([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert set(config) <= known | {f"{name}_FILE" for name in confidential.NAMES}
    assert {name for name in config if name.removesuffix("_FILE") in confidential.NAMES} == {
        f"{name}_FILE" for name in confidential.NAMES
    }
    for pod in PODS.values():
        (container,) = pod["containers"]
        assert container["envFrom"] == [{"configMapRef": {"name": "rates"}}]
        assert container["volumeMounts"][0]["mountPath"] == "/run/secrets/rates"
    assert config["READY_FILE"].startswith("/tmp/")


@pytest.mark.parametrize("part", ["worker-rates", "worker-notifications", "beat", "relay", "bot"])
def test_a_part_that_hangs_is_restarted(part: str) -> None:
    (container,) = PODS[part]["containers"]
    for probe in ("startupProbe", "livenessProbe"):
        assert container[probe]["exec"]["command"] == ["bin/start", "health", part.partition("-")[0]]
    assert "readinessProbe" not in container


def test_web_is_probed_at_its_own_addresses() -> None:
    (container,) = PODS["web"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}
    assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "http"}
    assert ports == {"http": 8000, "metrics": 9464}


def test_an_update_interrupts_nothing_and_doubles_no_one() -> None:
    for name in ("web", "relay", "worker-rates", "worker-notifications"):
        assert DEPLOYMENTS[name]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    for name in ("beat", "bot"):
        assert DEPLOYMENTS[name]["strategy"] == {"type": "Recreate"}
        assert DEPLOYMENTS[name]["replicas"] == 1
    for name in ("worker-rates", "worker-notifications"):
        assert PODS[name]["terminationGracePeriodSeconds"] > TASK_TIME_LIMIT_SECONDS + 20
    assert PODS["web"]["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][0] == "sleep"


def test_workers_are_scaled_on_the_lag_of_their_own_queue() -> None:
    options = Options()
    assert set(SCALED) == {"worker-rates", "worker-notifications"}
    for name, spec in SCALED.items():
        assert spec["scaleTargetRef"]["name"] == name
        assert "replicas" not in DEPLOYMENTS[name]
        assert 1 <= spec["minReplicaCount"] <= spec["maxReplicaCount"] <= options.partitions
        ((trigger),) = spec["triggers"]
        queue = PODS[name]["containers"][0]["command"][-1]
        assert trigger["type"] == "kafka"
        assert trigger["metadata"]["topic"] == queue
        assert trigger["metadata"]["consumerGroup"] == options.group_of(queue)
        (config,) = (one["data"] for one in ALL if one["kind"] == "ConfigMap")
        assert trigger["metadata"]["bootstrapServers"] == config["KAFKA_BOOTSTRAP_SERVERS"]


def test_nobody_is_root_or_writes_to_the_image() -> None:
    for pod in PODS.values():
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True
        assert pod["automountServiceAccountToken"] is False


def test_prometheus_finds_each_part_by_its_name() -> None:
    """Debian's promtool knows no clusters; this is what of it can be told without."""
    (job,) = yaml.safe_load((ROOT / "deploy/prometheus/kubernetes.yml").read_text())["scrape_configs"]
    sources = {label for rule in job["relabel_configs"] for label in rule["source_labels"]}
    compose = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())["scrape_configs"]
    scraped = set()
    for deployment in DEPLOYMENTS.values():
        metadata, (container,) = deployment["template"]["metadata"], deployment["template"]["spec"]["containers"]
        assert metadata["annotations"] == {"prometheus.io/scrape": "true", "prometheus.io/port": "9464"}
        assert {"name": "metrics", "containerPort": 9464} in container["ports"]
        scraped.add(metadata["labels"]["part"])
    assert scraped == {one["job_name"] for one in compose}
    assert sources == {
        "__meta_kubernetes_pod_annotation_prometheus_io_scrape",
        "__meta_kubernetes_pod_annotation_prometheus_io_port",
        "__meta_kubernetes_pod_container_port_name",
        "__meta_kubernetes_pod_ip",
        "__meta_kubernetes_pod_label_part",
    }
