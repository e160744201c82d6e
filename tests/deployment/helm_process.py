"""Runs in the Python 3.12 environment: real Helm and the schemas of Kubernetes, asked in JSON lines, answered in JSON lines.

A process of its own, because helm_sdkpy brings a Go runtime along, and because of its Python. Each request has an `id` and
an `action`; several are worked on at once and answered as they are done. Must be started with HELM_DRIVER=memory (release
records stay in the process: the loopback server takes no protobuf); the Go runtime sees only what a process starts with.
"""

import asyncio
import functools
import json
import logging
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jsonschema
import kubernetes_validate
import referencing
import yaml
from helm_sdkpy import Configuration, HelmError, Install, Lint, ReleaseTest, Upgrade
from kubernetes_validate.utils import schema_contents

from tests.deployment.kubernetes_api import Cluster, kubeconfig, loopback_cluster

Json = dict[str, Any]

WAYS_AT_ONCE = 4


def install(request: Json) -> Json:
    """One release in a cluster of its own; `then` holds values of upgrades after it, `tests` runs `helm test` at the end."""
    with loopback_cluster(request.get("objects")) as (url, cluster):
        config = Configuration(namespace=request["namespace"], kubeconfig=kubeconfig(url, request["namespace"]))
        steps = []
        try:
            run = Install(config).run(request["release"], request["chart"], request["values"], wait=False, timeout=60)
            steps.append(step_of(asyncio.run(run), cluster))
            for values in request.get("then", []):
                again = Upgrade(config).run(request["release"], request["chart"], values, wait=False, timeout=60)
                steps.append(step_of(asyncio.run(again), cluster))
            if request.get("tests"):
                asyncio.run(ReleaseTest(config).run(request["release"]))
                steps.append(step_of({}, cluster))
        except HelmError as error:
            return {"error": str(error), "steps": steps}
        return {"error": None, "steps": steps}


def step_of(release: Json, cluster: Cluster) -> Json:
    return {
        "manifest": [item for item in yaml.safe_load_all(release.get("manifest", "")) if item],
        "hooks": [hook for text in release.get("hooks") or [] for hook in yaml.safe_load_all(hook_text(text)) if hook],
        "notes": release.get("info", {}).get("notes", ""),
        "applied": list(cluster.objects.values()),
        "journal": [f"{verb} {path}" for verb, path in cluster.journal],
    }


def hook_text(hook: Json) -> str:
    return str(hook.get("manifest", ""))


def lint(request: Json) -> Json:
    with loopback_cluster() as (url, _):
        config = Configuration(namespace="default", kubeconfig=kubeconfig(url, "default"))
        found = asyncio.run(Lint(config).run(request["chart"]))
    return {"messages": found["Messages"] or [], "errors": len(found["Errors"] or [])}


@functools.cache
def kubernetes_schema(kind: str, api_version: str, version: str) -> jsonschema.Draft202012Validator | None:
    """None for a kind that Kubernetes itself does not know. The library reads both files anew for every object."""
    short = api_version.replace(api_version.partition("/")[0], api_version.partition(".")[0].partition("/")[0], 1)
    folder = f"kubernetes-json-schema/v{version}-local-strict"
    try:
        schema = schema_contents(f"{folder}/{kind.lower()}-{short.replace('/', '-')}.json", version)
    except FileNotFoundError:
        return None
    resource = referencing.Resource.from_contents
    registry = definitions(folder, version) @ referencing.Registry()
    return jsonschema.Draft202012Validator(schema, registry=resource(schema) @ registry)


@functools.cache
def definitions(folder: str, version: str) -> Any:
    return referencing.Resource.from_contents(schema_contents(f"{folder}/_definitions.json", version))


def validate(request: Json) -> Json:
    """Against Kubernetes' own schemas, strictly; kinds of operators against those that are handed in."""
    faults, unknown = [], []
    for item in request["objects"]:
        kind = item["kind"]
        extra = request.get("schemas", {}).get(kind)
        schema = (
            jsonschema.Draft202012Validator(extra)
            if extra
            else kubernetes_schema(kind, item["apiVersion"], request["version"])
        )
        if schema is None:
            unknown.append(kind)
            continue
        name = f"{kind}/{item['metadata']['name']}"
        faults += [f"{name} {error.json_path}: {error.message}" for error in schema.iter_errors(item)]
    return {"faults": faults, "unknown": unknown, "newest": kubernetes_validate.latest_version()}


ACTIONS = {"install": install, "lint": lint, "validate": validate}


def answer(line: str) -> str:
    request: Json = json.loads(line)
    return json.dumps({"id": request["id"], **ACTIONS[request["action"]](request)})


def main() -> None:
    logging.disable(logging.CRITICAL)
    with ThreadPoolExecutor(WAYS_AT_ONCE) as pool:
        for line in sys.stdin:
            pool.submit(answer, line).add_done_callback(lambda done: print(done.result(), flush=True))


if __name__ == "__main__":
    main()
