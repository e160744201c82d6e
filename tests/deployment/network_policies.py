"""Who reaches whom under NetworkPolicies, as Kubernetes defines it: pure functions on the rendered objects."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.deployment.chart import Json


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A pod (labels, namespace) or, with an address alone, something outside the cluster."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    namespace: Mapping[str, str] = field(default_factory=dict)
    address: str | None = None


def is_allowed(policies: list[Json], source: Endpoint, target: Endpoint, port: int, protocol: str = "TCP") -> bool:
    """Both ends must agree; an end that no policy of the direction selects agrees with everything."""
    return _passes(policies, "Egress", source, target, port, protocol) and _passes(
        policies, "Ingress", target, source, port, protocol
    )


def _passes(policies: list[Json], direction: str, own: Endpoint, other: Endpoint, port: int, protocol: str) -> bool:
    chosen = [policy["spec"] for policy in policies if _selects(policy, own) and direction in types_of(policy)]
    key, peers = ("egress", "to") if direction == "Egress" else ("ingress", "from")
    return not chosen or any(
        _rule_allows(rule, peers, other, port, protocol) for spec in chosen for rule in spec.get(key, [])
    )


def types_of(policy: Json) -> list[str]:
    spec = policy["spec"]
    default = ["Ingress", "Egress"] if "egress" in spec else ["Ingress"]
    found: list[str] = spec.get("policyTypes", default)
    return found


def _selects(policy: Json, endpoint: Endpoint) -> bool:
    """A policy reaches pods of its own namespace only."""
    namespace = endpoint.namespace.get("kubernetes.io/metadata.name")
    return (
        endpoint.address is None
        and namespace == policy["metadata"]["namespace"]
        and matches(policy["spec"]["podSelector"], endpoint.labels)
    )


def _rule_allows(rule: Json, peers: str, other: Endpoint, port: int, protocol: str) -> bool:
    """An empty list of peers or ports means all of them."""
    is_peer = not rule.get(peers) or any(_is_peer(peer, other) for peer in rule[peers])
    is_port = not rule.get("ports") or any(
        wanted.get("port", port) == port and wanted.get("protocol", "TCP") == protocol for wanted in rule["ports"]
    )
    return is_peer and is_port


def _is_peer(peer: Json, other: Endpoint) -> bool:
    if "ipBlock" in peer:
        return other.address is not None and _is_in(peer["ipBlock"], other.address)
    if other.address is not None:
        return False
    if "namespaceSelector" in peer:
        return matches(peer["namespaceSelector"], other.namespace) and matches(
            peer.get("podSelector", {}), other.labels
        )
    return other.namespace.get("kubernetes.io/metadata.name") == "talk" and matches(peer["podSelector"], other.labels)


def _is_in(block: Json, address: str) -> bool:
    found = ipaddress.ip_address(address)
    return found in ipaddress.ip_network(block["cidr"]) and not any(
        found in ipaddress.ip_network(cidr) for cidr in block.get("except", [])
    )


def matches(selector: Json, labels: Mapping[str, str]) -> bool:
    """The chart writes matchLabels only; an empty selector takes all."""
    assert not selector.get("matchExpressions"), "matchExpressions are not evaluated here"
    return all(labels.get(name) == value for name, value in selector.get("matchLabels", {}).items())
