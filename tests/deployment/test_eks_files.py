"""The EKS folder: templates that CloudFormation would take, a cluster that fits chart and roles, a page whose commands hold."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deployment.clean_root import ROOT
from tests.deployment.iam_policies import FOLDER as IAM

pytestmark = [pytest.mark.deployment, pytest.mark.timeout(300)]

Json = dict[str, Any]
EKS = ROOT / "helm" / "eks"
PAGE = (EKS / "README.md").read_text()
TEMPLATES = ("stores.yaml", "cloudfront.yaml")
SHELL = re.findall(r"^```bash\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
CACHING_DISABLED = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
# Checked with the chart.
OF_THE_CHART = {"../nova-realtime/values-eks.yaml"}
ALL_VIEWER = "216adef6-5c7f-47e4-b989-5492eafa07d3"


class _Cloud(yaml.SafeLoader):
    """Reads CloudFormation's short forms as what they name."""


def _short_form(loader: yaml.SafeLoader, _: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node) if isinstance(node, yaml.ScalarNode) else None


_Cloud.add_multi_constructor("!", _short_form)


def template(name: str) -> Json:
    # A SafeLoader with CloudFormation's tags added.
    found: Json = yaml.load((EKS / name).read_text(), Loader=_Cloud)  # noqa: S506
    return found


@pytest.fixture(scope="module")
def cluster() -> Json:
    found: Json = yaml.safe_load((EKS / "cluster.yaml").read_text())
    return found


@pytest.fixture(scope="module")
def distribution() -> Json:
    found: Json = template("cloudfront.yaml")["Resources"]["Distribution"]["Properties"]["DistributionConfig"]
    return found


def test_the_default_of_cloudfront_is_no_caching_and_all_headers(distribution: Json) -> None:
    behaviour = distribution["DefaultCacheBehavior"]
    assert behaviour["CachePolicyId"] == CACHING_DISABLED
    assert behaviour["OriginRequestPolicyId"] == ALL_VIEWER
    assert behaviour["ViewerProtocolPolicy"] == "redirect-to-https"
    assert set(behaviour["AllowedMethods"]) >= {"GET", "POST", "OPTIONS"}


def test_only_static_files_are_cached(distribution: Json) -> None:
    assert [behaviour["PathPattern"] for behaviour in distribution["CacheBehaviors"]] == ["/static/*"]


def test_cloudfront_adds_the_header_that_the_application_asks_for(distribution: Json) -> None:
    [origin] = distribution["Origins"]
    [header] = origin["OriginCustomHeaders"]
    asked = re.search(r'headers\.get\("(X-Origin-Secret)"\)', (ROOT / "sessions/http/middleware.py").read_text())
    assert asked is not None
    assert header["HeaderName"] == asked[1]
    assert header["HeaderValue"].startswith("{{resolve:secretsmanager:")


def test_no_secret_stands_in_a_template_or_its_parameters() -> None:
    for name in TEMPLATES:
        text = (EKS / name).read_text()
        assert "NoEcho" not in text
        for value in re.findall(r"(?:AuthToken|MasterUserPassword|HeaderValue): (.+)", text):
            assert "resolve:secretsmanager" in value


def test_redis_is_encrypted_in_two_zones_and_throws_nothing_away() -> None:
    resources = template("stores.yaml")["Resources"]
    redis = resources["Redis"]["Properties"]
    assert resources["RedisParameters"]["Properties"]["Properties"] == {"maxmemory-policy": "noeviction"}
    assert redis["TransitEncryptionEnabled"] is redis["AtRestEncryptionEnabled"] is redis["MultiAZEnabled"] is True


def test_the_database_is_encrypted_private_and_leaves_a_snapshot() -> None:
    database = template("stores.yaml")["Resources"]["Database"]
    assert database["DeletionPolicy"] == database["UpdateReplacePolicy"] == "Snapshot"
    assert database["Properties"]["StorageEncrypted"] is True
    assert database["Properties"]["PubliclyAccessible"] is False
    assert database["Properties"]["BackupRetentionPeriod"] >= 7


@pytest.mark.parametrize("name", ["RedisSecurityGroup", "DatabaseSecurityGroup"])
def test_stores_let_in_the_cluster_alone(name: str) -> None:
    [rule] = template("stores.yaml")["Resources"][name]["Properties"]["SecurityGroupIngress"]
    assert rule["SourceSecurityGroupId"] == "ClusterSecurityGroupId"
    assert "CidrIp" not in rule


def test_the_cluster_has_pod_identity_network_policies_and_metrics(cluster: Json) -> None:
    addons = {addon["name"]: addon for addon in cluster["addons"]}
    assert {"vpc-cni", "coredns", "kube-proxy", "eks-pod-identity-agent", "metrics-server"} <= set(addons)
    assert json.loads(addons["vpc-cni"]["configurationValues"]) == {"enableNetworkPolicy": "true"}


def test_nodes_are_managed_private_and_give_pods_no_rights(cluster: Json) -> None:
    for group in cluster["managedNodeGroups"]:
        assert group["privateNetworking"] is True
        assert group["volumeEncrypted"] is True
        assert group["disableIMDSv1"] is True
        assert group["disablePodIMDS"] is True
        assert group["minSize"] >= 2


def test_each_role_of_the_cluster_has_its_documents_and_trusts_that_account(cluster: Json) -> None:
    ours = [item for item in cluster["iam"]["podIdentityAssociations"] if "roleARN" in item]
    assert {item["serviceAccountName"] for item in ours} == {"nova-web", "nova-talking"}
    for item in ours:
        assert item["roleARN"].endswith(f":role/{item['serviceAccountName']}")
        who = item["serviceAccountName"].removeprefix("nova-")
        [statement] = json.loads((IAM / f"{who}-trust.json").read_text())["Statement"]
        tags = statement["Condition"]["StringEquals"]
        assert tags["aws:RequestTag/kubernetes-namespace"] == item["namespace"]
        assert tags["aws:RequestTag/kubernetes-service-account"] == item["serviceAccountName"]
        assert tags["aws:RequestTag/eks-cluster-arn"].endswith(f":cluster/{cluster['metadata']['name']}")
        assert (IAM / f"{who}-policy.json").exists()


@pytest.mark.parametrize("number", range(len(SHELL)))
def test_every_command_of_the_page_is_shell(number: int) -> None:
    done = subprocess.run(["bash", "-n"], input=SHELL[number], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, done.stderr


def test_every_file_that_the_page_uses_is_there() -> None:
    """`made/` holds copies with names replaced, and the secrets; `$who` is each role."""
    words = {word for word in re.split(r"[\s\"=]+|file://", "\n".join(SHELL)) if word.endswith((".yaml", ".json"))}
    used = {word.replace("$who", who) for word in words for who in ("web", "talking")} - {"made/secrets.json"}
    places = {name: (EKS / name, IAM / Path(name).name, EKS / Path(name).name) for name in used if "*" not in name}
    assert len(places) >= 7
    missing = {name for name, found in places.items() if not any(path.exists() for path in found)}
    assert missing - OF_THE_CHART == set()


def test_what_the_page_makes_its_way_back_deletes() -> None:
    there, _, back = PAGE.partition("## The way back")
    assert set(re.findall(r"--stack-name (\S+)", there)) == set(re.findall(r"delete-stack --stack-name (\S+)", back))
    for made, deleted in {
        "eksctl create cluster": "eksctl delete cluster",
        "iam create-role": "iam delete-role ",
        "iam put-role-policy": "iam delete-role-policy",
        "ecr create-repository": "ecr delete-repository",
        "secretsmanager create-secret": "secretsmanager delete-secret",
        "upgrade --install nova ": "helm uninstall nova ",
    }.items():
        assert made in there, made
        assert deleted in back, deleted


def test_the_pages_costs_add_up() -> None:
    table = PAGE.partition("| a month, USD |")[2].partition("\n\n")[0]
    rows = [line.split("|")[2].strip() for line in table.splitlines() if line.startswith("| ") and "idle" not in line]
    least = sum(float(re.findall(r"[\d.]+", row)[0]) for row in rows)
    told = float(re.search(r"\*\*about (\d+)\*\*", PAGE)[1])  # type: ignore[index]
    assert abs(told - least) < 0.02 * told


def test_the_pages_base_image_is_that_of_the_dockerfile(dockerfile_text: str) -> None:
    base = re.search(r"^ARG BASE=(\S+)$", dockerfile_text, re.MULTILINE)
    assert base is not None
    assert f"BASE={base[1]}@$(docker buildx imagetools inspect {base[1]} " in PAGE
