"""Items 15 to 27 of the chart's list: what pods may do, who they are, what they know, and who reaches them."""

import base64
import json
import re

from sessions.management.web_server import PING_SECONDS
from tests.deployment.chart import Chart, Json, Step, changed
from tests.deployment.chart_values import CERTIFICATE, INGRESS, MATRIX, MINIMAL, ROLE
from tests.deployment.items_of_workloads import SERVING
from tests.deployment.network_flows import FLOWS, flow_is_allowed
from tests.deployment.settings_schema import secret_names

# Variables of the SDK, of other programs' images, of `helm test`, and the two that stand in addresses.
OTHER_VARIABLES = frozenset(
    """
    AWS_EC2_METADATA_DISABLED AWS_STS_REGIONAL_ENDPOINTS DATABASE_PASSWORD NOVA_TRY_URL
    PGDATA POSTGRES_DB POSTGRES_PASSWORD POSTGRES_USER REDIS_PASSWORD
    """.split()
)


def pod_security(chart: Chart) -> None:
    """The "restricted" Pod Security Standard, and more: fixed ids, a read-only root, one place to write."""
    for name in ("everything", "dev", "pods"):
        for pod in chart.render(MATRIX[name]).pods:
            own = pod.spec["securityContext"]
            assert own["runAsNonRoot"] is True, pod.owner
            assert own["seccompProfile"] == {"type": "RuntimeDefault"}
            assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.spec.keys()
            assert not any("hostPath" in volume for volume in pod.spec.get("volumes", []))
            assert all("sizeLimit" in volume["emptyDir"] for volume in pod.spec["volumes"] if "emptyDir" in volume)
            for container in pod.containers:
                restricted(container, f"{name} {pod.owner} {container['name']}")


def restricted(container: Json, where: str) -> None:
    security = container["securityContext"]
    assert security["runAsNonRoot"] is True, where
    assert security["runAsUser"] >= 10_000, where
    assert security["runAsGroup"] >= 10_000, where
    assert security["allowPrivilegeEscalation"] is False, where
    assert security["privileged"] is False, where
    assert security["readOnlyRootFilesystem"] is True, where
    assert security["capabilities"] == {"drop": ["ALL"]}, where
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}, where


def service_accounts(chart: Chart) -> None:
    step = chart.render(MATRIX["everything"])
    used = {pod.component: pod.spec["serviceAccountName"] for pod in step.pods}
    assert len(set(used.values())) == len(used)
    made = {item["metadata"]["name"]: item for item in step.of("ServiceAccount")}
    assert made.keys() == set(used.values())
    assert all(item["automountServiceAccountToken"] is False for item in made.values())
    assert all(pod.spec["automountServiceAccountToken"] is False for pod in step.pods)


def aws_identity(chart: Chart) -> None:
    irsa = {item["metadata"]["name"]: item["metadata"].get("annotations", {}) for item in accounts(chart, "irsa")}
    roles = {name.rpartition("-")[2]: found.get("eks.amazonaws.com/role-arn") for name, found in irsa.items()}
    assert {name: role for name, role in roles.items() if role} == {"web": f"{ROLE}web", "talking": f"{ROLE}talking"}
    assert irsa["nova-nova-realtime-web"]["eks.amazonaws.com/sts-regional-endpoints"] == "true"
    for name in ("minimal", "eks"):
        assert not any("eks.amazonaws.com" in json.dumps(item) for item in accounts(chart, name))
    for values in MATRIX.values():
        step = chart.render(values)
        assert not {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} & variables(step).keys()
    assert chart.render(MINIMAL).one("ConfigMap", "settings")["data"]["AWS_STS_REGIONAL_ENDPOINTS"] == "regional"


def accounts(chart: Chart, name: str) -> list[Json]:
    return chart.render(MATRIX[name]).of("ServiceAccount")


def variables(step: Step) -> dict[str, Json]:
    """Every variable of every container by name; the last one stands."""
    own = {item["name"]: item for pod in step.pods for container in pod.containers for item in container.get("env", [])}
    config = step.find("ConfigMap", "settings")
    return {**{name: {"value": value} for name, value in (config or {}).get("data", {}).items()}, **own}


def role_policies(chart: Chart) -> None:
    """Two roles with what they call, no more; Bedrock by named resources only."""
    web, talking = (statements(chart, f"{name}-policy.json") for name in ("web", "talking"))
    assert actions(web) == {"transcribe:StartStreamTranscription", "transcribe:StartStreamTranscriptionWebSocket"}
    assert actions(talking) == {"bedrock:InvokeModelWithResponseStream", "polly:SynthesizeSpeech"}
    bedrock = [item for item in talking if item["Sid"] != "SpeakWithPolly"]
    assert len(bedrock) == len(talking) - 1
    for statement in bedrock:
        resources = listed(statement["Resource"])
        assert not any("*" in resource for resource in resources)
        if any(":foundation-model/" in resource for resource in resources):
            assert statement["Condition"]["StringEquals"]["bedrock:InferenceProfileArn"]
        else:
            assert all(":inference-profile/" in resource for resource in resources)


def trust_policies(chart: Chart) -> None:
    """Each role trusts one service account: that of the pods which the EKS values install."""
    names = {pod.component: pod.spec["serviceAccountName"] for pod in chart.render(MATRIX["eks"]).pods}
    for component in ("web", "talking"):
        (pods,) = statements(chart, f"{component}-trust.json")
        assert pods["Principal"] == {"Service": "pods.eks.amazonaws.com"}
        assert actions([pods]) == {"sts:AssumeRole", "sts:TagSession"}
        tags = pods["Condition"]["StringEquals"]
        assert tags.keys() == {f"aws:RequestTag/{name}" for name in POD_IDENTITY_TAGS}
        assert tags["aws:RequestTag/kubernetes-service-account"] == names[component]
        (irsa,) = statements(chart, f"{component}-trust-irsa.json")
        assert actions([irsa]) == {"sts:AssumeRoleWithWebIdentity"}
        equal = {name.rpartition(":")[2]: value for name, value in irsa["Condition"]["StringEquals"].items()}
        assert equal == {"aud": "sts.amazonaws.com", "sub": f"system:serviceaccount:nova:{names[component]}"}


POD_IDENTITY_TAGS = ("eks-cluster-arn", "kubernetes-namespace", "kubernetes-service-account")


def statements(chart: Chart, name: str) -> list[Json]:
    found = json.loads((chart.folder.parent / "eks" / "iam" / name).read_text(encoding="utf-8"))
    assert found["Version"] == "2012-10-17"
    assert all(item["Effect"] == "Allow" for item in found["Statement"])
    return list(found["Statement"])


def listed(found: str | list[str]) -> list[str]:
    return [found] if isinstance(found, str) else found


def actions(found: list[Json]) -> set[str]:
    return {action for statement in found for action in listed(statement["Action"])}


def secrets(chart: Chart) -> None:
    """Made-up secrets stand in the Secret alone, and an upgrade keeps them; others are named, never written."""
    first, second = chart.install(MATRIX["dev"], then=[MATRIX["dev"]]).steps
    kept = [secret_data(step) for step in (first, second)]
    assert kept[0] == kept[1]
    assert len(set(kept[0].values())) == len(kept[0])
    rest = json.dumps([item for item in first.applied if item["kind"] != "Secret"]) + first.notes
    for value in kept[0].values():
        assert value not in rest
        assert base64.b64encode(value.encode()).decode() not in rest
    assert templates_of(first) == templates_of(second)
    private = secret_names() | {"NOVA_API_KEYS", "REDIS_PASSWORD", "DATABASE_PASSWORD"}
    for name in ("everything", "eks", "external_secret"):
        step = chart.render(MATRIX[name])
        assert not step.of("Secret")
        found = {key: item for key, item in variables(step).items() if key in private}
        assert found.keys() >= {"DJANGO_SECRET_KEY", "NOVA_API_KEYS", "REDIS_PASSWORD", "DATABASE_PASSWORD"}
        assert all("secretKeyRef" in item.get("valueFrom", {}) for item in found.values()), name
    external = chart.render(MATRIX["external_secret"]).one("ExternalSecret", "secrets")["spec"]
    assert external["dataFrom"] == [{"extract": {"key": "nova"}}]


def secret_data(step: Step) -> dict[str, str]:
    (found,) = [item for item in step.applied if item["kind"] == "Secret"]
    return {name: base64.b64decode(value).decode() for name, value in found["data"].items()}


def templates_of(step: Step) -> dict[str, Json]:
    return {item["metadata"]["name"]: item["spec"]["template"] for item in step.of("Deployment")}


def config_rollout(chart: Chart) -> None:
    """New pods come exactly when a setting or the Secret has changed."""
    first = checksums(chart.render(MINIMAL))
    assert first == checksums(chart.render(changed(MINIMAL, service__port=8080)))
    setting = checksums(chart.render(changed(MINIMAL, settings={"SESSIONS_MAX": 7})))
    assert setting["checksum/settings"] != first["checksum/settings"]
    assert setting["checksum/secrets"] == first["checksum/secrets"]
    path = "/api/v1/namespaces/talk/secrets/nova-secrets"
    old, new = ({path: {"kind": "Secret", "metadata": {"name": "nova-secrets"}, "data": {"K": key}}} for key in "ab")
    with_old, with_new = (checksums(chart.install(MINIMAL, objects=there).step) for there in (old, new))
    assert with_old["checksum/secrets"] != with_new["checksum/secrets"]
    annotated = chart.render(MATRIX["pods"]).pod("web").annotations
    assert annotated.keys() == {"checksum/settings", "checksum/secrets", "example.com/owner"}


def checksums(step: Step) -> dict[str, str]:
    found = [dict(step.pod(component).annotations) for component in SERVING]
    assert found[0] == found[1] == found[2]
    assert found[0].keys() == {"checksum/settings", "checksum/secrets"}
    return found[0]


def migrations(chart: Chart) -> None:
    """A hook before the release; a part of it where the release itself brings the database or the Secret."""
    step = chart.render(MINIMAL)
    job = next(item for item in step.hooks if item["kind"] == "Job")
    notes = job["metadata"]["annotations"]
    assert notes["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert notes["helm.sh/hook-delete-policy"] == "before-hook-creation"
    assert {"backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished"} <= job["spec"].keys()
    account = next(item for item in step.hooks if item["metadata"]["name"] == "nova-nova-realtime-migrate")
    assert int(account["metadata"]["annotations"]["helm.sh/hook-weight"]) < int(notes["helm.sh/hook-weight"])
    assert "envFrom" not in job["spec"]["template"]["spec"]["containers"][0]  # the ConfigMap is not there yet
    first, second = (found.of("Job") for found in chart.install(MATRIX["dev"], then=[MATRIX["dev"]]).steps)
    assert [len(first), len(second)] == [1, 1]
    assert first[0]["metadata"]["name"] != second[0]["metadata"]["name"]  # a Job cannot be changed
    assert "helm.sh/hook" not in first[0]["metadata"].get("annotations", {})
    assert "expand" in (chart.folder / "UPGRADE.md").read_text(encoding="utf-8")


def services(chart: Chart) -> None:
    step = chart.render(MATRIX["everything"])
    for item in step.of("Service"):
        assert item["spec"]["type"] == "ClusterIP"
        for port in item["spec"]["ports"]:
            assert port["name"] == port["targetPort"]
            assert port["appProtocol"] == "http"
            assert len(item["spec"]["ports"]) == 1
    web = step.one("Service", "web")["spec"]["selector"]
    assert [pod.component for pod in step.pods if web.items() <= pod.labels.items()] == ["web"]
    metrics = step.one("Service", "metrics")["spec"]["selector"]
    exposing = [pod for pod in step.pods if "metrics" in {port["name"] for port in pod.main.get("ports", [])}]
    assert {pod.component for pod in exposing} == {*SERVING, "admin"}
    assert all(metrics.items() <= pod.labels.items() for pod in exposing)


def annotations(step: Step, component: str = "web") -> dict[str, str]:
    prefix = "alb.ingress.kubernetes.io/"
    found = step.one("Ingress", component)["metadata"]["annotations"]
    return {name.removeprefix(prefix): value for name, value in found.items() if name.startswith(prefix)}


def attributes(text: str) -> dict[str, str]:
    """As the load balancer controller reads them: name=value, separated by commas."""
    return dict(re.fullmatch(r"([\w.]+)=([\w.]+)", part).groups() for part in text.split(","))  # type: ignore[union-attr,misc]


def ingress(chart: Chart) -> None:
    step = chart.render(changed(INGRESS, ingress__wafAclArn="arn:aws:wafv2:us-east-1:1:regional/webacl/x/y"))
    assert step.one("Ingress", "web")["spec"]["ingressClassName"] == "alb"
    found = annotations(step)
    assert found["target-type"] == "ip"
    assert json.loads(found["listen-ports"]) == [{"HTTP": 80}, {"HTTPS": 443}]
    assert found["ssl-redirect"] == "443"
    assert found["certificate-arn"] == CERTIFICATE
    assert found["healthcheck-path"] == "/readyz"
    assert found["wafv2-acl-arn"].startswith("arn:aws:wafv2:")
    balancer, group = attributes(found["load-balancer-attributes"]), attributes(found["target-group-attributes"])
    assert int(balancer["idle_timeout.timeout_seconds"]) > 3 * PING_SECONDS
    assert balancer["routing.http.drop_invalid_header_fields.enabled"] == "true"
    assert balancer["access_logs.s3.enabled"] == "false"
    assert int(group["deregistration_delay.timeout_seconds"]) == 60
    assert group["stickiness.enabled"] == "false"


def cloudfront(chart: Chart) -> None:
    """Nobody but CloudFront reaches the load balancer, and who does without the secret header is refused by the web."""
    step = chart.render(MATRIX["eks"])
    found = annotations(step)
    assert found["security-group-prefix-lists"] == "pl-3b927c52"
    assert json.loads(found["listen-ports"]) == [{"HTTP": 80}]
    assert not {"inbound-cidrs", "certificate-arn", "ssl-redirect"} & found.keys()
    config = step.one("ConfigMap", "settings")["data"]
    assert config["NOVA_TRUSTED_HOPS"] == "2"
    assert config["NOVA_PUBLIC_URL"] == config["NOVA_ALLOWED_ORIGINS"] == "https://d111111abcdef8.cloudfront.net"
    for component in ("web", "test"):
        names = {item["name"] for item in step.pod(component).main["env"]}
        assert "NOVA_ORIGIN_SECRET" in names, component
    assert "NOVA_ORIGIN_SECRET" not in variables(chart.render(INGRESS))
    assert chart.render(INGRESS).one("ConfigMap", "settings")["data"]["NOVA_TRUSTED_HOPS"] == "1"
    for word in ("AllViewer", "X-Origin-Secret", "10 minutes"):
        assert word in chart.file("README.md"), word


def readiness_gate(chart: Chart) -> None:
    label = "elbv2.k8s.aws/pod-readiness-gate-inject=enabled"
    assert label in chart.render(INGRESS).notes
    assert label in chart.file("README.md")


def network_policies(chart: Chart) -> None:
    for name in {flow.values for flow in FLOWS}:
        policies = chart.render(MATRIX[name]).of("NetworkPolicy")
        wrong = [
            flow.says for flow in FLOWS if flow.values == name and flow_is_allowed(policies, flow) != flow.is_allowed
        ]
        assert wrong == [], name
