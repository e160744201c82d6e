"""Who must reach whom, and who must not: the flows by which the chart's NetworkPolicies are judged."""

from dataclasses import dataclass

from tests.deployment.chart import Json
from tests.deployment.network_policies import Endpoint, is_allowed

TALK = {"kubernetes.io/metadata.name": "talk"}


def own(component: str) -> Endpoint:
    labels = {
        "app.kubernetes.io/name": "nova-realtime",
        "app.kubernetes.io/instance": "nova",
        "app.kubernetes.io/component": component,
    }
    return Endpoint(component, labels, TALK)


def outside(name: str, address: str) -> Endpoint:
    return Endpoint(name, address=address)


DNS = Endpoint("dns", {"k8s-app": "kube-dns"}, {"kubernetes.io/metadata.name": "kube-system"})
PROMETHEUS = Endpoint("prometheus", {"app": "prometheus"}, {"kubernetes.io/metadata.name": "monitoring"})
STRANGER = Endpoint("stranger", {"app": "stranger"}, TALK)
FOREIGN = Endpoint("pod elsewhere", {"app": "x"}, {"kubernetes.io/metadata.name": "other"})
LOOKALIKE = Endpoint("lookalike", own("test").labels, {"kubernetes.io/metadata.name": "other"})
COLLECTOR = Endpoint("collector", {"app": "collector"}, {"kubernetes.io/metadata.name": "tracing"})
BALANCER = outside("load balancer", "10.0.3.7")
REDIS = outside("redis", "10.0.60.5")
BEDROCK = outside("bedrock", "52.94.133.1")
METADATA = outside("instance metadata", "169.254.169.254")
IDENTITY = outside("pod identity", "169.254.170.23")


@dataclass(frozen=True, slots=True)
class Flow:
    source: Endpoint
    target: Endpoint
    port: int
    is_allowed: bool
    protocol: str = "TCP"
    values: str = "everything"

    @property
    def says(self) -> str:
        return f"{self.source.name} -> {self.target.name}:{self.port}/{self.protocol}"


FLOWS = [
    Flow(BALANCER, own("web"), 8000, True),
    Flow(BALANCER, own("admin"), 8000, True),
    Flow(BALANCER, own("web"), 9464, False),
    Flow(BALANCER, own("talking"), 9464, False),
    Flow(outside("elsewhere in the network", "10.1.0.9"), own("web"), 8000, False),
    Flow(STRANGER, own("web"), 8000, False),
    Flow(FOREIGN, own("web"), 8000, False),
    Flow(LOOKALIKE, own("web"), 8000, False),
    Flow(own("test"), own("web"), 8000, True),
    Flow(own("test"), REDIS, 6379, False),
    Flow(own("talking"), own("web"), 8000, False),
    Flow(PROMETHEUS, own("web"), 9464, True),
    Flow(PROMETHEUS, own("talking"), 9464, True),
    Flow(PROMETHEUS, own("seeing"), 9464, True),
    Flow(PROMETHEUS, own("web"), 8000, False),
    Flow(STRANGER, own("seeing"), 9464, False),
    *[
        Flow(own(name), DNS, 53, True, "UDP")
        for name in ("web", "talking", "seeing", "migrate", "housekeeping", "test")
    ],
    Flow(own("web"), outside("a public name server", "8.8.8.8"), 53, False, "UDP"),
    *[Flow(own(name), REDIS, 6379, True) for name in ("web", "talking", "seeing", "migrate", "housekeeping", "admin")],
    *[Flow(own(name), REDIS, 5432, True) for name in ("web", "migrate", "housekeeping", "admin")],
    *[Flow(own(name), REDIS, 5432, False) for name in ("talking", "seeing", "test")],
    Flow(own("web"), outside("a public redis", "52.0.0.1"), 6379, False),
    *[Flow(own(name), BEDROCK, 443, True) for name in ("web", "talking")],
    Flow(own("web"), outside("transcribe", "52.94.133.9"), 8443, True),
    *[Flow(own(name), BEDROCK, 443, False) for name in ("seeing", "migrate", "housekeeping", "test")],
    Flow(own("admin"), outside("a webhook", "52.0.0.3"), 443, True),
    Flow(own("admin"), IDENTITY, 80, False),
    Flow(own("talking"), outside("a mail server", "52.0.0.2"), 25, False),
    *[Flow(own(name), METADATA, 80, False) for name in ("web", "talking", "seeing")],
    Flow(own("web"), METADATA, 443, False),
    *[Flow(own(name), IDENTITY, 80, True) for name in ("web", "talking")],
    Flow(own("seeing"), IDENTITY, 80, False),
    *[Flow(own(name), IDENTITY, 80, False, values="irsa") for name in ("web", "talking")],
    Flow(own("talking"), BEDROCK, 443, True, values="irsa"),
    Flow(BALANCER, own("web"), 8000, False, values="irsa"),
    Flow(own("web"), own("redis"), 6379, True, values="dev"),
    Flow(own("seeing"), own("postgres"), 5432, False, values="dev"),
    Flow(own("migrate"), own("postgres"), 5432, True, values="dev"),
    Flow(STRANGER, own("redis"), 6379, False, values="dev"),
    Flow(own("redis"), BEDROCK, 443, False, values="dev"),
    Flow(own("web"), COLLECTOR, 4318, True, values="pods"),
    Flow(own("web"), COLLECTOR, 4318, False),
]


def flow_is_allowed(policies: list[Json], flow: Flow) -> bool:
    return is_allowed(policies, flow.source, flow.target, flow.port, flow.protocol)
