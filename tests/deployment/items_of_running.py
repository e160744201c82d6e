"""Items 28 to 36 of the chart's list: scaling, data stores, the operators' door, observability, tests and papers."""

import math
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

import yaml

from tests.deployment.chart import Chart, Json, Step, changed
from tests.deployment.chart_refusals import BY_GUARD
from tests.deployment.chart_values import INGRESS, MATRIX, MINIMAL
from tests.deployment.items_of_safety import annotations, restricted, variables
from tests.deployment.items_of_workloads import SERVING
from tests.deployment.metric_names import known_metrics, metrics_of

LONGEST_REPLY_SECONDS = 45
WARNINGS = {
    "development is true": MATRIX["dev"],
    "networkPolicy.enabled is false": MATRIX["open_network"],
    "podDisruptionBudgets.enabled is false": MATRIX["open_network"],
    "migrate.enabled is false": changed(MINIMAL, migrate__enabled=False),
    "the whole internet reaches the load balancer": INGRESS,
}


def web_autoscaler(chart: Chart) -> None:
    spec = chart.render(MATRIX["everything"]).one("HorizontalPodAutoscaler", "web")["spec"]
    assert spec["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "nova-nova-realtime-web"}
    cpu, sessions = spec["metrics"]
    assert cpu["resource"]["name"] == "cpu"
    assert sessions["pods"]["metric"]["name"] in known_metrics()
    assert sessions["pods"]["target"] == {"type": "AverageValue", "averageValue": "60"}
    down = spec["behavior"]["scaleDown"]
    assert down["stabilizationWindowSeconds"] == 300
    assert down["policies"] == [{"type": "Pods", "value": 1, "periodSeconds": 60}]
    plain = chart.render(MINIMAL).one("HorizontalPodAutoscaler", "web")["spec"]["metrics"]
    assert [metric["type"] for metric in plain] == ["Resource"]


def keda(chart: Chart) -> None:
    """Pods = ceil((running + queued) / (slots x 60 %)): worked out here from what is rendered, for some loads."""
    step = chart.render(MATRIX["keda"])
    spec = step.one("ScaledObject", "talking")["spec"]
    assert spec["scaleTargetRef"]["name"] == step.one("Deployment", "talking")["metadata"]["name"]
    assert spec["minReplicaCount"] >= 2
    down = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]
    assert min(spec["cooldownPeriod"], down["stabilizationWindowSeconds"]) > LONGEST_REPLY_SECONDS
    triggers = {trigger["name"]: trigger for trigger in spec["triggers"]}
    queues = {name: trigger["metadata"]["listName"] for name, trigger in triggers.items() if trigger["type"] == "redis"}
    assert queues == {"queued_reply": "reply", "queued_speech": "speech"}
    assert metrics_of(triggers["running"]["metadata"]["query"]) <= known_metrics()
    modifiers = spec["advanced"]["scalingModifiers"]
    assert modifiers["metricType"] == "AverageValue"
    for running, reply, speech, pods in ((0, 0, 0, 0), (120, 0, 0, 1), (121, 0, 0, 2), (600, 30, 90, 6)):
        load = formula_value(modifiers["formula"], running=running, queued_reply=reply, queued_speech=speech)
        assert math.ceil(load / int(modifiers["target"])) == pods
    assert all(trigger["metadata"]["enableTLS"] == "true" for trigger in spec["triggers"] if trigger["type"] == "redis")
    login = step.one("TriggerAuthentication", "talking")
    assert {trigger["authenticationRef"]["name"] for trigger in spec["triggers"] if "authenticationRef" in trigger} == {
        login["metadata"]["name"]
    }
    (parameter,) = login["spec"]["secretTargetRef"]
    assert parameter == {"parameter": "password", "name": "nova-secrets", "key": "REDIS_PASSWORD"}
    assert not step.find("HorizontalPodAutoscaler", "talking")


def formula_value(formula: str, **counts: int) -> int:
    """A sum is all the formula is; anything else would need a reading of its own here."""
    return sum(counts[name.strip()] for name in formula.split("+"))


def redis(chart: Chart) -> None:
    """Encrypted, the certificate checked by kombu too, and looked at before anything is installed."""
    for name in ("minimal", "everything", "eks"):
        url = variables(chart.render(MATRIX[name]))["REDIS_URL"]["value"]
        assert re.fullmatch(r"rediss://:\$\(REDIS_PASSWORD\)@[\w.-]+:6379/0\?ssl_cert_reqs=required", url), name
    job = chart.render(MINIMAL).pod("migrate").spec
    assert "noeviction" in job["initContainers"][0]["args"][0]
    bundled = chart.render(MATRIX["dev"])
    assert "--maxmemory-policy noeviction" in bundled.pod("redis").main["args"][0]
    for name in ("bundled_redis_in_production", "plain_redis_in_production"):
        assert chart.install(BY_GUARD[name][0]).error, name
    assert not chart.render(MINIMAL).find("Deployment", "redis")


def database(chart: Chart) -> None:
    for name in ("minimal", "everything", "eks"):
        url = variables(chart.render(MATRIX[name]))["DATABASE_URL"]["value"]
        assert re.fullmatch(r"postgres://nova:\$\(DATABASE_PASSWORD\)@[\w.-]+:5432/nova\?sslmode=require", url), name
    for name in ("bundled_database_in_production", "plain_database_in_production"):
        assert chart.install(BY_GUARD[name][0]).error, name
    assert not chart.render(MINIMAL).of("StatefulSet")
    assert "max_connections" in chart.file("README.md")


def admin(chart: Chart) -> None:
    """The operators' pages have a door of their own, shut unless it is wanted, and never the public one."""
    for name in ("ingress", "everything"):
        step = chart.render(MATRIX[name])
        for path in ("/", "/v1/realtime", "/v1/api/generate", "/static/app.js", "/sign-in/"):
            assert service_of(step, "talk.example.com", path) == "nova-nova-realtime-web", path
        for path in (
            "/admin",
            "/admin/",
            "/admin/nova_sessions/session/",
            "/readyz",
            "/livez",
            "/token/generate",
            "/x",
        ):
            assert service_of(step, "talk.example.com", path) is None, path
    assert not chart.render(MATRIX["ingress"]).find("Deployment", "admin")
    step = chart.render(MATRIX["everything"])
    assert service_of(step, "admin.example.com", "/admin/") == "nova-nova-realtime-admin"
    found = annotations(step, "admin")
    assert found["scheme"] == "internal"
    assert found["inbound-cidrs"] == "203.0.113.0/24"
    own = {item["name"]: item.get("value") for item in step.pod("admin").main["env"]}
    assert own["NOVA_ADMIN_HOSTS"] == "admin.example.com"
    assert "NOVA_ADMIN_HOSTS" not in {item["name"] for item in step.pod("web").main["env"]}


def service_of(step: Step, host: str, path: str) -> str | None:
    """The backend of the longest path that fits, as Kubernetes defines `Exact` and `Prefix`."""
    rules = [rule for item in step.of("Ingress") for rule in item["spec"]["rules"] if rule["host"] == host]
    fitting = [route for rule in rules for route in rule["http"]["paths"] if fits(route, path)]
    best = max(fitting, key=lambda route: len(route["path"]), default=None)
    return best["backend"]["service"]["name"] if best else None


def fits(route: Json, path: str) -> bool:
    if route["pathType"] == "Exact":
        return bool(route["path"] == path)
    wanted = PurePosixPath(route["path"])
    return wanted in (PurePosixPath(path), *PurePosixPath(path).parents)


def observability(chart: Chart) -> None:
    step = chart.render(MATRIX["everything"])
    monitor = step.one("ServiceMonitor", "metrics")
    service = step.one("Service", "metrics")
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert monitor["spec"]["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"]
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    rules = [rule for item in step.of("PrometheusRule") for group in item["spec"]["groups"] for rule in group["rules"]]
    assert {word for word in ALERTS if not any(word in rule["expr"] for rule in rules)} == set()
    dashboards = step.one("ConfigMap", "dashboards")
    assert dashboards["metadata"]["labels"]["grafana_dashboard"] == "1"
    shown = [text for name in dashboards["data"] for text in queries(yaml.safe_load(dashboards["data"][name]))]
    assert shown
    used = set().union(*(metrics_of(text) for text in [*shown, *(rule["expr"] for rule in rules)]))
    assert used - known_metrics() == set()
    assert step.one("ConfigMap", "settings")["data"]["NOVA_METRICS_HOST"] == "0.0.0.0"  # noqa: S104 - a pod's address
    assert not chart.render(MATRIX["no_metrics"]).find("Service", "metrics")


# Of the list: failed turns, takeovers, reopened streams, throttles, queues, loop lag, quota, cost.
ALERTS = (
    "nova_replies_total",
    "nova_sessions_closed_total",
    "nova_speech_streams_opened_total",
    "nova_provider_errors_total",
    "nova_task_queue_seconds",
    "nova_web_loop_lag_seconds",
    "nova_quota_used",
    "nova_cost_usd_total",
)


def queries(panel: Json) -> Iterator[str]:
    yield from (target["expr"] for target in panel.get("targets", []) if "expr" in target)
    for inner in panel.get("panels", []):
        yield from queries(inner)


def scheduling(chart: Chart) -> None:
    """Values for all pods reach all pods; a component's own stand over them."""
    step = chart.render(MATRIX["pods"])
    for pod in step.pods:
        assert pod.labels.get("team") == "talk" or pod.component == "test", pod.owner
        assert pod.spec["nodeSelector"]["kubernetes.io/arch"] == "arm64", pod.owner
        assert pod.spec["tolerations"] == [{"key": "talk", "operator": "Exists"}], pod.owner
        assert pod.spec["priorityClassName"] == ("highest" if pod.component == "web" else "high"), pod.owner
        assert {"name": "ca", "configMap": {"name": "ca"}} in pod.spec["volumes"], pod.owner
        assert {"name": "ca", "mountPath": "/ca", "readOnly": True} in pod.main["volumeMounts"], pod.owner
    for component in SERVING:
        pod = step.pod(component)
        assert {"name": "NOVA_LOG_LEVEL", "value": "DEBUG"} in pod.main["env"]
        assert pod.spec["affinity"] == {"nodeAffinity": {}}
        assert [container["name"] for container in pod.spec["containers"]] == [component, "proxy"]
        assert pod.annotations["example.com/owner"] == "talk"
    assert step.pod("web").spec["nodeSelector"]["talk"] == "web"
    assert "talk" not in step.pod("talking").spec["nodeSelector"]


def helm_test(chart: Chart) -> None:
    step = chart.render(MINIMAL)
    pod = next(item for item in step.hooks if item["kind"] == "Pod")
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    assert pod["spec"]["restartPolicy"] == "Never"
    (container,) = pod["spec"]["containers"]
    assert [
        word for word in ("generate", "start", "ping", "stop") if f'call("{word}"' not in container["args"][0]
    ] == []
    restricted(container, "helm test")
    url = next(item["value"] for item in container["env"] if item["name"] == "NOVA_TRY_URL")
    assert url == "http://nova-nova-realtime-web:80"
    assert "nova-nova-realtime-web" in variables(step)["DJANGO_ALLOWED_HOSTS"]["value"].split(",")
    assert not [item for item in chart.render(MATRIX["no_metrics"]).hooks if item["kind"] == "Pod"]


def papers(chart: Chart) -> None:
    notes = chart.render(MATRIX["eks"]).notes
    for word in (
        "https://d111111abcdef8.cloudfront.net/",
        "helm test nova",
        "createsuperuser",
        "25 Transcribe streams",
    ):
        assert word in notes, word
    assert "WARNING" not in notes
    for warning, values in WARNINGS.items():
        assert f"WARNING: {warning}" in chart.render(values).notes, warning
    version = chart.yaml("Chart.yaml")["version"]
    assert f"## {version}" in chart.file("CHANGELOG.md")
    assert f"## {version}" in chart.file("UPGRADE.md")
    for word in ("helm upgrade", "helm rollback", "helm uninstall"):
        assert word in chart.file("README.md"), word
