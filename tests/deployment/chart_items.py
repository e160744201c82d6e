"""The 36 items that a chart for EKS must have (the list's own numbers and order), each with the check that says so."""

from collections.abc import Callable

from tests.deployment import items_of_running as running
from tests.deployment import items_of_safety as safety
from tests.deployment import items_of_workloads as workloads
from tests.deployment.chart import Chart

Check = Callable[[Chart], None]

ITEMS: dict[int, Check] = {
    1: workloads.metadata,
    2: workloads.values_schema,
    3: workloads.guards,
    4: workloads.labels,
    5: workloads.names,
    6: workloads.images,
    7: workloads.deployments,
    8: workloads.rolling_update,
    9: workloads.replicas,
    10: workloads.stopping,
    11: workloads.probes,
    12: workloads.disruption_budgets,
    13: workloads.spreading,
    14: workloads.resources,
    15: safety.pod_security,
    16: safety.service_accounts,
    17: safety.aws_identity,
    18: safety.role_policies,
    19: safety.trust_policies,
    20: safety.secrets,
    21: safety.config_rollout,
    22: safety.migrations,
    23: safety.services,
    24: safety.ingress,
    25: safety.cloudfront,
    26: safety.readiness_gate,
    27: safety.network_policies,
    28: running.web_autoscaler,
    29: running.keda,
    30: running.redis,
    31: running.database,
    32: running.admin,
    33: running.observability,
    34: running.scheduling,
    35: running.helm_test,
    36: running.papers,
}
