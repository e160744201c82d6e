"""What the kinds of operators look like, as far as the chart writes them; strict, for unknown fields are dropped silently.

Written after the operators' documented fields: KEDA 2.14 and up, Prometheus operator 0.70 and up, External Secrets 0.17.
"""

from typing import Any

Json = dict[str, Any]

TEXT: Json = {"type": "string", "minLength": 1}
COUNT: Json = {"type": "integer", "minimum": 0}
TEXTS: Json = {"type": "object", "additionalProperties": {"type": "string"}}
DURATION: Json = {"type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$"}


def strict(properties: Json, required: list[str] | None = None) -> Json:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "required": sorted(properties) if required is None else required,
    }


def listed(item: Json) -> Json:
    return {"type": "array", "minItems": 1, "items": item}


def kind(name: str, api_version: str, spec: Json) -> Json:
    metadata = strict({"name": TEXT, "namespace": TEXT, "labels": TEXTS, "annotations": TEXTS}, ["name"])
    return strict({"apiVersion": {"const": api_version}, "kind": {"const": name}, "metadata": metadata, "spec": spec})


SCALING_RULES = strict(
    {
        "stabilizationWindowSeconds": {"type": "integer", "minimum": 0, "maximum": 3600},
        "policies": listed(strict({"type": {"enum": ["Pods", "Percent"]}, "value": COUNT, "periodSeconds": COUNT})),
    }
)
PROMETHEUS_TRIGGER = strict({"serverAddress": TEXT, "query": TEXT, "threshold": TEXT})
REDIS_TRIGGER = strict(
    {
        "address": {"type": "string", "pattern": "^[^:]+:[0-9]+$"},
        "username": TEXT,
        "listName": TEXT,
        "listLength": TEXT,
        "databaseIndex": TEXT,
        "enableTLS": {"enum": ["true", "false"]},
    },
    ["address", "listName"],
)
TRIGGER = {
    **strict(
        {
            "type": {"enum": ["prometheus", "redis"]},
            "name": {"type": "string", "pattern": "^[a-z_]+$"},
            "metricType": {"enum": ["AverageValue", "Value"]},
            "metadata": {"type": "object"},
            "authenticationRef": strict({"name": TEXT}),
        },
        ["type", "metadata"],
    ),
    "if": {"properties": {"type": {"const": "redis"}}},
    "then": {"properties": {"metadata": REDIS_TRIGGER}},
    "else": {"properties": {"metadata": PROMETHEUS_TRIGGER}},
}
SCALED_OBJECT = strict(
    {
        "scaleTargetRef": strict({"apiVersion": TEXT, "kind": TEXT, "name": TEXT}, ["name"]),
        "minReplicaCount": COUNT,
        "maxReplicaCount": COUNT,
        "pollingInterval": COUNT,
        "cooldownPeriod": COUNT,
        "fallback": strict(
            {
                "failureThreshold": COUNT,
                "replicas": COUNT,
                "behavior": {
                    "enum": ["static", "currentReplicas", "currentReplicasIfHigher", "currentReplicasIfLower"]
                },
            }
        ),
        "advanced": strict(
            {
                "scalingModifiers": strict({"formula": TEXT, "target": TEXT, "metricType": {"enum": ["AverageValue"]}}),
                "horizontalPodAutoscalerConfig": strict(
                    {"behavior": strict({"scaleUp": SCALING_RULES, "scaleDown": SCALING_RULES})}
                ),
            }
        ),
        "triggers": listed(TRIGGER),
    },
    ["scaleTargetRef", "triggers"],
)
RULE = strict(
    {
        "alert": TEXT,
        "record": TEXT,
        "expr": {"type": ["string", "integer"]},
        "for": DURATION,
        "keep_firing_for": DURATION,
        "labels": TEXTS,
        "annotations": TEXTS,
    },
    ["expr"],
)
ENDPOINT = strict({"port": TEXT, "path": TEXT, "interval": DURATION}, ["port"])

SCHEMAS: dict[str, Json] = {
    "ScaledObject": kind("ScaledObject", "keda.sh/v1alpha1", SCALED_OBJECT),
    "TriggerAuthentication": kind(
        "TriggerAuthentication",
        "keda.sh/v1alpha1",
        strict({"secretTargetRef": listed(strict({"parameter": TEXT, "name": TEXT, "key": TEXT}))}),
    ),
    "ServiceMonitor": kind(
        "ServiceMonitor",
        "monitoring.coreos.com/v1",
        strict(
            {
                "selector": strict({"matchLabels": TEXTS}),
                "namespaceSelector": strict({"matchNames": listed(TEXT)}),
                "endpoints": listed(ENDPOINT),
            },
            ["selector", "endpoints"],
        ),
    ),
    "PrometheusRule": kind(
        "PrometheusRule",
        "monitoring.coreos.com/v1",
        strict(
            {"groups": listed(strict({"name": TEXT, "interval": DURATION, "rules": listed(RULE)}, ["name", "rules"]))}
        ),
    ),
    "ExternalSecret": kind(
        "ExternalSecret",
        "external-secrets.io/v1",
        strict(
            {
                "refreshInterval": DURATION,
                "secretStoreRef": strict({"kind": {"enum": ["SecretStore", "ClusterSecretStore"]}, "name": TEXT}),
                "target": strict(
                    {
                        "name": TEXT,
                        "creationPolicy": {"enum": ["Owner", "Orphan", "Merge", "None"]},
                        "deletionPolicy": {"enum": ["Delete", "Merge", "Retain"]},
                    }
                ),
                "dataFrom": listed(strict({"extract": strict({"key": TEXT})})),
            }
        ),
    ),
}
