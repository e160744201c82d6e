"""A loopback stand-in for Kubernetes' API: enough of it for Helm's client to install, upgrade and look things up.

Objects are kept as they were written, so that a test sees what a cluster would have been given. Jobs and Pods are
finished as soon as they are made, because Helm waits for its hooks. Objects are sent and kept as JSON only: whatever is
sent in another encoding (the release records of Helm's Secret storage) is refused, so run Helm with HELM_DRIVER=memory.
"""

import base64
import http.server
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

Json = dict[str, Any]

WATCH_SECONDS = 20
GIT_VERSION = "v1.33.1"
# Group and version -> kinds by plural name; cluster-wide kinds are not used by the chart.
RESOURCES: dict[str, dict[str, str]] = {
    "v1": {
        "configmaps": "ConfigMap",
        "secrets": "Secret",
        "services": "Service",
        "serviceaccounts": "ServiceAccount",
        "pods": "Pod",
        "persistentvolumeclaims": "PersistentVolumeClaim",
    },
    "apps/v1": {"deployments": "Deployment", "statefulsets": "StatefulSet"},
    "batch/v1": {"jobs": "Job", "cronjobs": "CronJob"},
    "autoscaling/v2": {"horizontalpodautoscalers": "HorizontalPodAutoscaler"},
    "policy/v1": {"poddisruptionbudgets": "PodDisruptionBudget"},
    "networking.k8s.io/v1": {"ingresses": "Ingress", "networkpolicies": "NetworkPolicy"},
    "keda.sh/v1alpha1": {"scaledobjects": "ScaledObject", "triggerauthentications": "TriggerAuthentication"},
    "monitoring.coreos.com/v1": {"servicemonitors": "ServiceMonitor", "prometheusrules": "PrometheusRule"},
    "external-secrets.io/v1": {"externalsecrets": "ExternalSecret"},
}
FINISHED = {
    "Job": {"succeeded": 1, "conditions": [{"type": "Complete", "status": "True"}]},
    "Pod": {"phase": "Succeeded", "conditions": [{"type": "Ready", "status": "False", "reason": "PodCompleted"}]},
}


@dataclass
class Cluster:
    """What was written, by its path."""

    objects: dict[str, Json] = field(default_factory=dict)
    journal: list[tuple[str, str]] = field(default_factory=list)
    version: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)

    def write(self, path: str, written: Json) -> Json:
        with self.changed:
            self._write(path, written)
            self.changed.notify_all()
        return written

    def delete(self, path: str) -> Json | None:
        with self.changed:
            self.version += 1
            gone = self.objects.pop(path, None)
            self.changed.notify_all()
        return gone

    def below(self, path: str, name: str) -> list[Json]:
        """The objects of one kind and namespace; `name` narrows to one unless it is empty."""
        with self.changed:
            return [
                item
                for key, item in self.objects.items()
                if key.startswith(f"{path}/") and name in ("", item["metadata"]["name"])
            ]

    def _write(self, path: str, written: Json) -> None:
        self.version += 1
        metadata = written.setdefault("metadata", {})
        metadata.setdefault("uid", f"00000000-0000-0000-0000-{self.version:012d}")
        metadata["resourceVersion"] = str(self.version)
        if written.get("kind") == "Secret":
            _encode_strings(written)
        if written.get("kind") in FINISHED:
            written["status"] = FINISHED[written["kind"]]
        self.objects[path] = written


def _encode_strings(secret: Json) -> None:
    """As the real server does: `stringData` is only another way to write `data`."""
    for name, text in secret.pop("stringData", {}).items():
        secret.setdefault("data", {})[name] = base64.b64encode(text.encode()).decode()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body go out apart: without it each answer waits 40 ms for the client's acknowledgement.
    disable_nagle_algorithm = True
    cluster: Cluster

    def log_message(self, format: str, *arguments: Any) -> None:
        """Quiet; the journal says what was asked."""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        self.cluster.journal.append(("GET", self.path))
        if (found := discovery(parts.path)) is not None:
            self._answer(200, found)
        elif parts.path in self.cluster.objects:
            self._answer(200, self.cluster.objects[parts.path])
        elif parts.path.rpartition("/")[2] in plurals():
            self._list(parts.path, query)
        else:
            self._answer(404, failure(404, "NotFound"))

    def _list(self, path: str, query: dict[str, list[str]]) -> None:
        name = query.get("fieldSelector", [""])[0].removeprefix("metadata.name=")
        kind, version = plurals()[path.rpartition("/")[2]], api_version(path)
        if query.get("watch"):
            self._watch(path, name, {"kind": kind, "apiVersion": version})
            return
        metadata = {"resourceVersion": str(self.cluster.version)}
        items = self.cluster.below(path, name)
        self._answer(200, {"kind": f"{kind}List", "apiVersion": version, "metadata": metadata, "items": items})

    def _watch(self, path: str, name: str, kind: Json) -> None:
        """What there is, a bookmark that says so, then every change, until the client leaves or WATCH_SECONDS."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        shown: dict[str, Json] = {}
        ends_at = time.monotonic() + WATCH_SECONDS
        try:
            self._send_changes(shown, path, name)
            annotations = {"k8s.io/initial-events-end": "true"}
            metadata = {"resourceVersion": str(self.cluster.version), "annotations": annotations}
            self._send_event("BOOKMARK", {**kind, "metadata": metadata})
            while time.monotonic() < ends_at:
                with self.cluster.changed:
                    self.cluster.changed.wait(0.5)
                self._send_changes(shown, path, name)
        except OSError:
            return

    def _send_changes(self, shown: dict[str, Json], path: str, name: str) -> None:
        now = {item["metadata"]["name"]: item for item in self.cluster.below(path, name)}
        for gone in shown.keys() - now.keys():
            self._send_event("DELETED", shown.pop(gone))
        for key, item in now.items():
            if shown.get(key) != item:
                self._send_event("MODIFIED" if key in shown else "ADDED", item)
                shown[key] = item

    def _send_event(self, kind: str, item: Json) -> None:
        self.wfile.write(json.dumps({"type": kind, "object": item}).encode() + b"\n")
        self.wfile.flush()

    def do_POST(self) -> None:
        written = self._body()
        if written is None:
            return
        path = f"{urlsplit(self.path).path}/{written['metadata']['name']}"
        if path in self.cluster.objects:
            self._answer(409, failure(409, "AlreadyExists"))
            return
        self.cluster.journal.append(("POST", path))
        self._answer(201, self.cluster.write(path, written))

    def do_PUT(self) -> None:
        written = self._body()
        if written is not None:
            path = urlsplit(self.path).path
            self.cluster.journal.append(("PUT", path))
            self._answer(200, self.cluster.write(path, written))

    def do_PATCH(self) -> None:
        change = self._body()
        path = urlsplit(self.path).path
        if change is None:
            return
        self.cluster.journal.append(("PATCH", path))
        self._answer(200, self.cluster.write(path, merged(self.cluster.objects.get(path, {}), change)))

    def do_DELETE(self) -> None:
        self._body()
        path = urlsplit(self.path).path
        self.cluster.journal.append(("DELETE", path))
        if self.cluster.delete(path) is None:
            self._answer(404, failure(404, "NotFound"))
        else:
            self._answer(200, {"kind": "Status", "apiVersion": "v1", "status": "Success"})

    def _body(self) -> Json | None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            found: Json = json.loads(raw or b"{}")
        except ValueError:
            self._answer(415, failure(415, "UnsupportedMediaType"))
            return None
        return found

    def _answer(self, status: int, answer: Json) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def failure(code: int, reason: str) -> Json:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "reason": reason,
        "code": code,
        "message": reason,
    }


def plurals() -> dict[str, str]:
    return {plural: kind for kinds in RESOURCES.values() for plural, kind in kinds.items()}


def api_version(path: str) -> str:
    parts = path.strip("/").split("/")
    return parts[1] if parts[0] == "api" else f"{parts[1]}/{parts[2]}"


def discovery(path: str) -> Json | None:
    """What the server can do; the older, unaggregated form, which every client understands."""
    if path == "/version":
        return {"major": "1", "minor": GIT_VERSION.split(".")[1], "gitVersion": GIT_VERSION}
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        return {
            "kind": "APIGroupList",
            "apiVersion": "v1",
            "groups": [group(name) for name in RESOURCES if "/" in name],
        }
    if path == "/openapi/v3":
        return {
            "paths": {api_path(name)[1:]: {"serverRelativeURL": f"/openapi/v3{api_path(name)}"} for name in RESOURCES}
        }
    if path.startswith("/openapi/v3/"):
        return openapi(path.removeprefix("/openapi/v3/").removeprefix("apis/").removeprefix("api/"))
    version = path.removeprefix("/apis/").removeprefix("/api/")
    return resource_list(version) if version in RESOURCES else None


def group(version: str) -> Json:
    name, _, short = version.partition("/")
    one = {"groupVersion": version, "version": short}
    return {"name": name, "versions": [one], "preferredVersion": one}


def resource_list(version: str) -> Json:
    verbs = ["create", "delete", "get", "list", "patch", "update", "watch"]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": version,
        "resources": [
            {"name": plural, "singularName": kind.lower(), "namespaced": True, "kind": kind, "verbs": verbs}
            for plural, kind in RESOURCES[version].items()
        ],
    }


def api_path(version: str) -> str:
    return f"/apis/{version}" if "/" in version else f"/api/{version}"


def openapi(version: str) -> Json | None:
    """Says of each kind only that the server checks fields itself; hooks are not sent otherwise."""
    if version not in RESOURCES:
        return None
    group_name, _, short = version.rpartition("/")
    parameters = [{"name": "fieldValidation", "in": "query"}]
    paths = {
        f"{api_path(version)}/namespaces/{{namespace}}/{plural}/{{name}}": {
            "patch": {
                "parameters": parameters,
                "x-kubernetes-group-version-kind": {"group": group_name, "version": short, "kind": kind},
            }
        }
        for plural, kind in RESOURCES[version].items()
    }
    return {"openapi": "3.0.0", "info": {"title": "loopback", "version": GIT_VERSION}, "paths": paths}


def merged(old: Json, change: Json) -> Json:
    """A JSON merge patch (RFC 7386)."""
    result = dict(old)
    for name, value in change.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, dict) and isinstance(result.get(name), dict):
            result[name] = merged(result[name], value)
        else:
            result[name] = value
    return result


def kubeconfig(url: str, namespace: str) -> str:
    """As YAML: helm_sdkpy takes JSON for the name of a file."""
    return (
        "apiVersion: v1\nkind: Config\ncurrent-context: it\n"
        f"clusters: [{{name: loopback, cluster: {{server: '{url}'}}}}]\n"
        f"contexts: [{{name: it, context: {{cluster: loopback, user: nobody, namespace: {namespace}}}}}]\n"
        "users: [{name: nobody, user: {}}]\n"
    )


@contextmanager
def loopback_cluster(objects: dict[str, Json] | None = None) -> Iterator[tuple[str, Cluster]]:
    """The address, and what is written there; `objects` are there from the beginning, by their paths."""
    cluster = Cluster(dict(objects or {}))
    handler = type("BoundHandler", (Handler,), {"cluster": cluster})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.block_on_close = False
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", cluster
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
