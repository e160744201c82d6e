"""Items 1 to 14 of the chart's list: metadata, values, names, images, Deployments and how they stop, scale and spread."""

import json
import re
import tomllib
from collections.abc import Iterator

from tests.deployment.chart import ROOT, Chart, Json, Pod, Step, changed
from tests.deployment.chart_refusals import BY_GUARD, BY_SCHEMA
from tests.deployment.chart_values import DIGEST, MATRIX, MINIMAL

SERVING = ("web", "talking", "seeing")
RECOMMENDED = {
    "app.kubernetes.io/name",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/component",
    "app.kubernetes.io/version",
    "app.kubernetes.io/part-of",
    "app.kubernetes.io/managed-by",
    "helm.sh/chart",
}
SELECTING = {"app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/component"}
IMAGE = re.compile(r"[a-z0-9][a-z0-9._/:-]*(:(?!latest$)[\w][\w.-]*|@sha256:[0-9a-f]{64})")


def package_version() -> str:
    found: str = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    return found


def metadata(chart: Chart) -> None:
    found = chart.yaml("Chart.yaml")
    assert found["apiVersion"] == "v2"
    assert re.fullmatch(r"\d+\.\d+\.\d+", found["version"])
    assert found["appVersion"] == package_version()
    assert found["kubeVersion"].startswith(">=1.")
    assert found["maintainers"]
    assert found["sources"]
    assert found["icon"]
    notes = found["annotations"]
    assert {f"artifacthub.io/{name}" for name in ("changes", "images", "license", "links")} <= notes.keys()
    assert f"nova-realtime:{package_version()}" in notes["artifacthub.io/images"]


def values_schema(chart: Chart) -> None:
    """Every value is known to the schema by a kind, and whatever else is written is refused."""
    schema = json.loads(chart.file("values.schema.json"))
    assert sorted(unknown_values(chart.yaml("values.yaml"), schema, schema)) == []
    for name in ("unknown_top_key", "unknown_inner_key", "text_for_a_number", "ingress_without_host"):
        values, place = BY_SCHEMA[name]
        error = chart.install(values).error
        assert error, name
        assert place in error, name


def unknown_values(values: Json, schema: Json, root: Json, path: str = "") -> Iterator[str]:
    schema = root["definitions"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    if "properties" not in schema:
        return
    if schema.get("additionalProperties") is not False:
        yield f"{path} takes anything"
    for name, value in values.items():
        if name not in schema["properties"]:
            yield f"{path}.{name}"
        elif isinstance(value, dict):
            yield from unknown_values(value, schema["properties"][name], root, f"{path}.{name}")


def guards(chart: Chart) -> None:
    answers = {name: chart.begin(values) for name, (values, _) in BY_GUARD.items()}
    for name, answer in answers.items():
        assert BY_GUARD[name][1] in (answer.result(90)["error"] or "it was installed"), name


def labels(chart: Chart) -> None:
    step = chart.render(MATRIX["everything"])
    for item in step.objects:
        found = item["metadata"].get("labels", {})
        assert found.keys() >= RECOMMENDED, f"{item['kind']} {item['metadata']['name']}"
    for item in [*step.of("Deployment"), *step.of("StatefulSet"), *step.of("PodDisruptionBudget")]:
        selector = item["spec"]["selector"]["matchLabels"]
        assert selector.keys() == SELECTING, item["metadata"]["name"]
    for item in step.of("Deployment"):
        selector = item["spec"]["selector"]["matchLabels"]
        assert selector.items() <= item["spec"]["template"]["metadata"]["labels"].items()
    # A Deployment's selector can never be changed: these are the first version's.
    web = step.one("Deployment", "web")["spec"]["selector"]["matchLabels"]
    expected = ("nova-realtime", "nova", "web")
    assert tuple(web[f"app.kubernetes.io/{key}"] for key in ("name", "instance", "component")) == expected


def names(chart: Chart) -> None:
    """Two releases of the longest name that Helm allows, which differ in their last letter, in one namespace."""
    longest = "a-rather-long-name-of-a-release-that-helm-will-take-0"
    assert len(longest) == 53
    found = [chart.render(MATRIX["everything"], release=longest[:-1] + end) for end in "01"]
    for item in found[0].objects:
        limit = 52 if item["kind"] == "CronJob" else 63
        assert len(item["metadata"]["name"]) <= limit, item["metadata"]["name"]
        assert all(len(value) <= 63 for value in item["metadata"]["labels"].values())
    first, second = ({(item["kind"], item["metadata"]["name"]) for item in step.objects} for step in found)
    assert not first & second
    short = chart.render(changed(MINIMAL, fullnameOverride="talk"))
    assert all(item["metadata"]["name"].startswith("talk-") for item in short.objects)


def images(chart: Chart) -> None:
    for name in ("everything", "dev", "pods"):
        for pod in chart.render(MATRIX[name]).pods:
            for container in pod.containers:
                assert IMAGE.fullmatch(container["image"]), f"{name} {pod.owner} {container['image']}"
    assert own_images(chart.render(MINIMAL)) == {f"registry.example.com/nova-realtime:{package_version()}"}
    assert own_images(chart.render(MATRIX["private_registry"])) == {"registry.example.com/nova-realtime:1.2.3"}
    assert own_images(chart.render(MATRIX["digest"])) == {f"registry.example.com/nova-realtime@{DIGEST}"}
    for pod in chart.render(MATRIX["private_registry"]).pods:
        assert pod.spec["imagePullSecrets"] == [{"name": "registry"}], pod.owner


def own_images(step: Step) -> set[str]:
    return {container["image"] for pod in step.pods for container in pod.containers}


def deployments(chart: Chart) -> None:
    step = chart.render(MINIMAL)
    arguments = {pod.component: pod.main.get("args") for pod in step.pods}
    assert arguments["web"] == ["web"]
    assert arguments["talking"] == ["worker", "reply", "speech", "--slots", "200"]
    assert arguments["seeing"] == ["worker", "vision", "--slots", "2"]
    assert arguments["migrate"] == ["migrate"]
    assert {item["metadata"]["name"] for item in step.of("Deployment")} == {
        f"nova-nova-realtime-{component}" for component in SERVING
    }
    cron = step.one("CronJob", "housekeeping")["spec"]
    assert cron["concurrencyPolicy"] == "Forbid"
    assert arguments["housekeeping"] == ["housekeeping"]
    assert chart.render(MATRIX["everything"]).one("Deployment", "admin")["spec"]["replicas"] == 1


def rolling_update(chart: Chart) -> None:
    step = chart.render(MINIMAL)
    expected = {"web": (0, 1), "talking": (0, "25%"), "seeing": (0, "25%")}
    for component, (unavailable, surge) in expected.items():
        strategy = step.one("Deployment", component)["spec"]["strategy"]
        assert strategy["type"] == "RollingUpdate"
        assert strategy["rollingUpdate"] == {"maxUnavailable": unavailable, "maxSurge": surge}, component


def replicas(chart: Chart) -> None:
    """A number beside an autoscaler would be put back at every upgrade."""
    for name in ("minimal", "keda"):
        step = chart.render(MATRIX[name])
        assert not any("replicas" in step.one("Deployment", component)["spec"] for component in SERVING), name
        for item in step.of("HorizontalPodAutoscaler"):
            assert item["spec"]["minReplicas"] >= 2
    fixed = chart.render(MATRIX["fixed_size"])
    assert not fixed.of("HorizontalPodAutoscaler")
    found = {component: fixed.one("Deployment", component)["spec"]["replicas"] for component in SERVING}
    assert found == {"web": 3, "talking": 2, "seeing": 2}


def stopping(chart: Chart) -> None:
    """The web's drain and its 15 s for stopping, a worker's stop and 10 s more, fit into the grace (notes of the drain)."""
    step = chart.render(MATRIX["everything"])
    drain = int(step.one("ConfigMap", "settings")["data"]["NOVA_DRAIN_SECONDS"])
    assert 0 < drain <= 25
    for component in ("web", "admin"):
        pod = step.pod(component)
        assert pod.main["lifecycle"]["preStop"]["exec"]["command"] == ["nova", "drain"]
        assert pod.spec["terminationGracePeriodSeconds"] >= drain + 15
    for component in ("talking", "seeing"):
        pod = step.pod(component)
        variables = {variable["name"]: variable.get("value") for variable in pod.main["env"]}
        assert pod.spec["terminationGracePeriodSeconds"] >= int(variables["NOVA_WORKER_STOP_SECONDS"] or 0) + 10
        assert "REMAP_SIGTERM" not in variables
        assert "lifecycle" not in pod.main


def probes(chart: Chart) -> None:
    """Liveness asks nothing of Redis or AWS: while they are away, a restart would only lose the sessions too."""
    step = chart.render(MINIMAL)
    web = step.pod("web").main
    assert web["livenessProbe"]["httpGet"]["path"] == "/livez"
    assert web["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert web["startupProbe"]["failureThreshold"] > web["livenessProbe"]["failureThreshold"]
    for component in ("talking", "seeing"):
        worker = step.pod(component).main
        assert worker["livenessProbe"]["exec"]["command"] == ["nova", "health", "worker", "--live"]
        assert worker["readinessProbe"]["exec"]["command"] == ["nova", "health", "worker"]
        assert worker["startupProbe"]["failureThreshold"] > worker["livenessProbe"]["failureThreshold"]
    for pod in (step.pod(component) for component in SERVING):
        seconds = [pod.main[f"{kind}Probe"]["periodSeconds"] for kind in ("startup", "readiness", "liveness")]
        assert len(set(seconds)) == 3, pod.owner


def disruption_budgets(chart: Chart) -> None:
    step = chart.render(MINIMAL)
    for component in SERVING:
        spec = step.one("PodDisruptionBudget", component)["spec"]
        assert spec["maxUnavailable"] == 1
        assert spec.get("unhealthyPodEvictionPolicy") == "AlwaysAllow"
        chosen = [pod.component for pod in step.pods if spec["selector"]["matchLabels"].items() <= pod.labels.items()]
        assert chosen == [component]
    assert not chart.render(MATRIX["dev"]).of("PodDisruptionBudget")


def spreading(chart: Chart) -> None:
    for component in SERVING:
        soft, hard = (chart.render(MATRIX[name]).pod(component) for name in ("minimal", "high_availability"))
        assert strictness(soft) == {
            "topology.kubernetes.io/zone": "ScheduleAnyway",
            "kubernetes.io/hostname": "ScheduleAnyway",
        }
        assert set(strictness(hard).values()) == {"DoNotSchedule"}
        preferred = soft.spec["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
        assert preferred[0]["podAffinityTerm"]["labelSelector"]["matchLabels"].items() <= soft.labels.items()


def strictness(pod: Pod) -> dict[str, str]:
    constraints = pod.spec["topologySpreadConstraints"]
    assert all(item["labelSelector"]["matchLabels"].items() <= pod.labels.items() for item in constraints)
    return {item["topologyKey"]: item["whenUnsatisfiable"] for item in constraints}


def resources(chart: Chart) -> None:
    """The memory limit is the request: a pod that is over it is ended, not its neighbours."""
    for name in ("everything", "dev", "pods"):
        for pod in chart.render(MATRIX[name]).pods:
            for container in pod.containers:
                found = container["resources"]
                assert found["requests"].keys() >= {"cpu", "memory", "ephemeral-storage"}, pod.owner
                assert found["limits"]["memory"] == found["requests"]["memory"], pod.owner
