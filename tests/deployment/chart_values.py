"""The values with which the chart is tried: every way of installing it that the documents speak of."""

import yaml

from tests.deployment.chart import CHART, Json, changed

ROLE = "arn:aws:iam::123456789012:role/nova-"
CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/0f1e2d3c"
DIGEST = "sha256:" + "a1" * 32
PLACES = {
    "<account>": "123456789012",
    "<region>": "us-east-1",
    "<primary-endpoint>": "master.nova.abc123.use1",
    "<instance>": "nova.abc123.us-east-1",
    "<distribution>": "d111111abcdef8",
}

# The least that production asks for.
MINIMAL: Json = {
    "image": {"repository": "registry.example.com/nova-realtime"},
    "secrets": {"existingSecret": "nova-secrets"},
    "redis": {"host": "redis.example.com"},
    "database": {"host": "postgres.example.com"},
}


def shipped(name: str) -> Json:
    """A values file of the chart, with its places filled in."""
    text = (CHART / name).read_text(encoding="utf-8")
    for place, value in PLACES.items():
        text = text.replace(place, value)
    found: Json = yaml.safe_load(text)
    return found


INGRESS = changed(
    MINIMAL,
    ingress={"enabled": True, "host": "talk.example.com", "certificateArn": CERTIFICATE},
    networkPolicy={"loadBalancer": {"cidrs": ["10.0.0.0/20"]}},
)
EVERYTHING = changed(
    INGRESS,
    admin={
        "enabled": True,
        "host": "admin.example.com",
        "certificateArn": CERTIFICATE,
        "inboundCidrs": ["203.0.113.0/24"],
    },
    agora={"appId": "0123456789abcdef0123456789abcdef"},
    monitoring={
        "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
        "prometheusRule": {"enabled": True},
        "dashboards": {"enabled": True},
    },
    settings={"NOVA_MODEL_ID": "us.amazon.nova-lite-v1:0", "NOVA_SPECULATION": False, "SESSIONS_MAX": 500},
    web={"autoscaling": {"targetSessions": 60}},
)
PODS = {
    "annotations": {"example.com/owner": "talk"},
    "labels": {"team": "talk"},
    "priorityClassName": "high",
    "nodeSelector": {"kubernetes.io/arch": "arm64"},
    "tolerations": [{"key": "talk", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "extraEnv": [{"name": "NOVA_LOG_LEVEL", "value": "DEBUG"}],
    "extraVolumes": [{"name": "ca", "configMap": {"name": "ca"}}],
    "extraVolumeMounts": [{"name": "ca", "mountPath": "/ca", "readOnly": True}],
    "sidecars": [
        {
            "name": "proxy",
            "image": "registry.example.com/proxy:1.2.3",
            "resources": {
                "requests": {"cpu": "10m", "memory": "32Mi", "ephemeral-storage": "8Mi"},
                "limits": {"memory": "32Mi", "ephemeral-storage": "8Mi"},
            },
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "privileged": False,
                "readOnlyRootFilesystem": True,
                "runAsNonRoot": True,
                "runAsUser": 10002,
                "runAsGroup": 10002,
                "capabilities": {"drop": ["ALL"]},
                "seccompProfile": {"type": "RuntimeDefault"},
            },
        }
    ],
}
COLLECTOR = {
    "to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "tracing"}}}],
    "ports": [{"port": 4318, "protocol": "TCP"}],
}

MATRIX: dict[str, Json] = {
    "minimal": MINIMAL,
    "eks": shipped("values-eks.yaml"),
    "dev": shipped("values-dev.yaml"),
    "ingress": INGRESS,
    "everything": EVERYTHING,
    "high_availability": changed(
        INGRESS,
        spread={"zones": "DoNotSchedule", "nodes": "DoNotSchedule"},
        web__autoscaling={"minReplicas": 6, "maxReplicas": 30},
        talking__autoscaling={"minReplicas": 6, "maxReplicas": 60},
    ),
    "irsa": changed(
        MINIMAL,
        aws={"identity": "irsa", "region": "eu-west-1"},
        web__roleArn=f"{ROLE}web",
        talking__roleArn=f"{ROLE}talking",
    ),
    "keda": changed(
        MINIMAL,
        talking__autoscaling={"kind": "keda", "keda": {"prometheusAddress": "http://prometheus.monitoring:9090"}},
        redis__username="nova",
    ),
    "fixed_size": changed(
        MINIMAL,
        web__autoscaling__enabled=False,
        web__replicas=3,
        talking__autoscaling__kind="none",
        seeing__autoscaling__enabled=False,
    ),
    "private_registry": changed(MINIMAL, image__pullSecrets=["registry"], image__tag="1.2.3"),
    "digest": changed(MINIMAL, image__digest=DIGEST, image__tag="1.2.3"),
    "pods": changed(
        MINIMAL,
        networkPolicy={"extraEgress": [COLLECTOR]},
        pods=PODS,
        web__pod={"nodeSelector": {"talk": "web"}, "priorityClassName": "highest"},
    ),
    "external_secret": changed(
        MINIMAL,
        secrets={"externalSecret": {"enabled": True, "storeName": "aws", "remoteKey": "nova"}},
    ),
    "no_metrics": changed(MINIMAL, monitoring__port=0, housekeeping__enabled=False, tests__enabled=False),
    "other_controller": changed(
        INGRESS,
        ingress__className="nginx",
        networkPolicy={"loadBalancer": {"namespaceLabels": {"kubernetes.io/metadata.name": "ingress-nginx"}}},
    ),
    "open_network": changed(MINIMAL, networkPolicy__enabled=False, podDisruptionBudgets__enabled=False),
}
