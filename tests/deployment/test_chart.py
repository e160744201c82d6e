"""The chart as a whole: lint, every way of installing it, Kubernetes' schemas, upgrade, policies of others, its papers."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.urls import URLResolver

from nova_site.entry import command_line
from nova_site.env import Environment
from nova_site.urls import urlpatterns
from tests.deployment.chart import CHART, Chart, Json, Step, changed
from tests.deployment.chart_values import DIGEST, INGRESS, MATRIX, MINIMAL
from tests.deployment.items_of_safety import OTHER_VARIABLES, variables
from tests.deployment.items_of_workloads import package_version
from tests.deployment.operator_schemas import SCHEMAS
from tests.deployment.settings_schema import settings_schema
from tests.deployment.values_table import END, START, described_values, undescribed, values_table

pytestmark = [pytest.mark.deployment, pytest.mark.timeout(300)]

# The oldest that Chart.yaml allows, and the newest whose schemas there are.
VERSIONS = ("1.31.0", "1.37.0")
# Of checkov's checks on Kubernetes, with the reason for each that is left out.
LEFT_OUT = {
    "CKV_K8S_8": "liveness of the `helm test` pod, which ends by itself; item 11 checks those that serve",
    "CKV_K8S_9": "readiness of the `helm test` pod, to which nothing is sent",
    "CKV_K8S_11": "CPU limits: a throttled process stutters in every voice it carries; requests keep the share",
    "CKV_K8S_15": "pull policy Always: images go by digest or version, and a registry that is away must stop no pod",
    "CKV_K8S_35": "secrets as files: the settings are variables by contract, and no shell runs in the image",
}
# The operators' pages have their own Ingress; the others belong to open mode, which no pod runs.
KEPT_IN = {"admin", "token", "start", "stop", "ping", "list", "graphs", "health"}
YAML_RULES: Json = {
    "line-length": {"max": 180},
    "document-start": "disable",
    "comments": {"min-spaces-from-content": 1},
}


def test_helm_lint_is_clean(chart: Chart) -> None:
    found = chart.helm.ask("lint", chart=str(CHART))
    assert found["errors"] == 0
    assert found["messages"] == []


def test_helm_lint_can_fail(chart: Chart, tmp_path: Path) -> None:
    broken = tmp_path / "nova-realtime"
    shutil.copytree(CHART, broken)
    (broken / "templates" / "web.yaml").write_text('{{ include "nova.nothing" . }}')
    assert chart.helm.ask("lint", chart=str(broken))["errors"] > 0


def test_the_matrix_is_wide_enough() -> None:
    assert len(MATRIX) >= 12


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", MATRIX)
def test_what_is_installed_is_valid(name: str, version: str, chart: Chart) -> None:
    step = chart.render(MATRIX[name])
    found = chart.helm.ask("validate", version=version, objects=step.objects, schemas=SCHEMAS)
    assert found["faults"] == []
    assert found["unknown"] == []


def test_the_newest_version_is_the_newest_that_can_be_checked(chart: Chart) -> None:
    assert chart.helm.ask("validate", version=VERSIONS[1], objects=[])["newest"] == VERSIONS[1]
    assert chart.yaml("Chart.yaml")["kubeVersion"] == f">={VERSIONS[0]}-0"


@pytest.mark.parametrize("name", ["minimal", "dev", "everything", "eks"])
def test_what_is_applied_is_what_was_rendered(name: str, chart: Chart) -> None:
    """A key such as `n` or `on` would arrive as a boolean."""
    step = chart.render(MATRIX[name])
    applied = {(item["kind"], item["metadata"]["name"]): item for item in step.applied}
    for item in step.manifest:
        if item["kind"] != "Secret":
            found = applied[item["kind"], item["metadata"]["name"]]
            assert {key: found.get(key) for key in ("spec", "data")} == {key: item.get(key) for key in ("spec", "data")}


def test_an_upgrade_and_helm_test_run(chart: Chart) -> None:
    found = chart.install(MATRIX["dev"], then=[MATRIX["dev"]], tests=True)
    assert found.error is None
    assert "POST /api/v1/namespaces/talk/pods/nova-nova-realtime-test" in found.steps[-1].journal


def test_a_number_stays_a_number_as_people_write_it(chart: Chart) -> None:
    """Helm makes a float of it, which prints as 1e+06."""
    config = chart.render({**MINIMAL, "settings": {"SESSIONS_MAX": 1_000_000, "VIDEO_FRAME_INTERVAL": 0.5}})
    data = config.one("ConfigMap", "settings")["data"]
    assert (data["SESSIONS_MAX"], data["VIDEO_FRAME_INTERVAL"]) == ("1000000", "0.5")


@pytest.mark.parametrize("name", MATRIX)
def test_every_variable_is_a_setting(name: str, chart: Chart) -> None:
    known = {field.upper() for field in Environment.model_fields} | OTHER_VARIABLES
    assert variables(chart.render(MATRIX[name])).keys() - known == set()


@pytest.mark.parametrize("name", ["minimal", "everything", "eks", "irsa"])
def test_the_settings_are_ones_with_which_the_web_starts(
    name: str, chart: Chart, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in os.environ:
        if variable.upper() in {field.upper() for field in Environment.model_fields}:
            monkeypatch.delenv(variable)
    for variable, value in web_variables(chart.render(MATRIX[name])).items():
        monkeypatch.setenv(variable, value)
    read = Environment()
    assert read.nova_auth == "required"
    assert read.redis_url.startswith("rediss://:word-of-REDIS_PASSWORD@")


def web_variables(step: Step) -> dict[str, str]:
    """As the kubelet would set them: secrets looked up, $(NAME) replaced by what was set before it."""
    found: dict[str, str] = dict(step.one("ConfigMap", "settings")["data"])
    for item in step.pod("web").main["env"]:
        value = item.get("value", f"word-of-{item['name']}")
        found[item["name"]] = re.sub(r"\$\((\w+)\)", lambda match: found[match[1]], value)
    return found


def test_scripts_in_arguments_hold_nothing_that_the_kubelet_would_replace(chart: Chart) -> None:
    step = chart.render(MINIMAL)
    for pod in step.pods:
        for container in pod.containers:
            assert not any("$(" in argument for argument in container.get("args", [])), pod.owner


def test_the_settings_in_the_schema_are_those_of_the_code() -> None:
    """To mend: `python -m tests.deployment.settings_schema`."""
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    assert schema["properties"]["settings"] == settings_schema()


def test_the_image_of_the_dev_values_is_this_version() -> None:
    values = yaml.safe_load((CHART / "values-dev.yaml").read_text(encoding="utf-8"))
    assert values["image"]["tag"] == f"{package_version()}-local"


def test_the_values_table_is_the_one_of_the_values() -> None:
    """To mend: `python -m tests.deployment.values_table`."""
    readme = (CHART / "README.md").read_text(encoding="utf-8")
    assert readme.partition(START)[2].partition(END)[0] == values_table()


def test_every_value_is_described() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    assert list(undescribed(values, {path for path, _, _ in described_values()})) == []


def test_every_value_of_the_values_files_exists() -> None:
    known = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    for name in ("values-dev.yaml", "values-eks.yaml"):
        values = yaml.safe_load((CHART / name).read_text(encoding="utf-8"))
        assert list(unknown_paths(values, known)) == [], name


def unknown_paths(values: Json, known: Json, path: str = "") -> Iterator[str]:
    for name, value in values.items():
        if name not in known:
            yield f"{path}.{name}"
        elif isinstance(value, dict) and isinstance(known[name], dict) and known[name]:
            yield from unknown_paths(value, known[name], f"{path}.{name}")


def test_every_value_is_used_by_a_template() -> None:
    texts = "".join(path.read_text(encoding="utf-8") for path in (CHART / "templates").rglob("*") if path.is_file())
    unused = [path for path, _, _ in described_values() if path.rpartition(".")[2] not in texts]
    assert unused == []


def test_the_image_understands_what_the_chart_asks_of_it(chart: Chart) -> None:
    """A word that the entry does not know ends it with SystemExit."""
    for pod in chart.render(MATRIX["everything"]).pods:
        for container in (found for found in pod.containers if "command" not in found):
            command_line().parse_args(container["args"])
            hooks = [found.get("exec", {}).get("command") for found in own_commands(container)]
            for command in filter(None, hooks):
                assert command[0] == "nova"
                command_line().parse_args(command[1:])


def own_commands(container: Json) -> list[Json]:
    probes = [container[name] for name in ("startupProbe", "readinessProbe", "livenessProbe") if name in container]
    return [*probes, *container.get("lifecycle", {}).values()]


def test_the_page_of_eks_sets_values_that_exist() -> None:
    page = (CHART.parent / "eks" / "README.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"helm upgrade --install nova \.\./nova-realtime .*?}", page, re.DOTALL)
    paths = set(re.findall(r"--set ([\w.]+)=", command))
    assert {"image.repository", "redis.host", "database.host", "ingress.host"} <= paths
    assert paths <= {path for path, _, _ in described_values()}
    assert "/helm/nova-realtime/values-eks.yaml".endswith(re.findall(r"--values \.\.(\S+)", command)[0])
    identity = set(re.findall(r"--set ((?:aws|web|talking)\.\w+)=", page)) - paths
    assert identity == {"aws.identity", "web.roleArn", "talking.roleArn"}


def test_every_address_of_the_code_is_routed_or_kept_in(chart: Chart) -> None:
    """A new one must be put into the Ingress, or into KEPT_IN."""
    rules = chart.render(INGRESS).one("Ingress", "web")["spec"]["rules"]
    routed = {route["path"].strip("/") for rule in rules for route in rule["http"]["paths"]}
    found = {text.partition("/")[0] for text in addresses(urlpatterns)}
    assert found - routed == found & KEPT_IN


def addresses(patterns: Iterable[Any], before: str = "") -> Iterator[str]:
    for pattern in patterns:
        text = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver) and not text:
            yield from addresses(pattern.url_patterns)
        else:
            yield text


def test_links_of_the_papers_lead_somewhere() -> None:
    for paper in (CHART / "README.md", CHART.parent / "README.md"):
        links = re.findall(r"\]\(([^)#:]+)\)", paper.read_text(encoding="utf-8"))
        assert links
        assert [link for link in links if not (paper.parent / link).exists()] == [], paper


def test_yamllint_is_content(python_3_12: Path) -> None:
    rules = yaml.safe_dump({"extends": "default", "rules": YAML_RULES})
    files = [*CHART.glob("*.yaml"), *CHART.glob("alerts/*.yaml")]
    command = [str(python_3_12), "-m", "yamllint", "--strict", "-d", rules, *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout


def test_checkov_finds_nothing(python_3_12: Path, chart: Chart, tmp_path: Path) -> None:
    """On the two ways of installing that have the most objects; no network: it would ask for its policies' severities."""
    for name in ("everything", "eks"):
        step = chart.render(changed(MATRIX[name], image__digest=DIGEST))
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump_all(step.objects), encoding="utf-8")
    command = [
        str(python_3_12.parent / "checkov"), "--directory", str(tmp_path), "--framework", "kubernetes", "--quiet", "--compact",
        "--output", "json", "--skip-download", "--skip-check", ",".join(LEFT_OUT),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    found = json.loads(done.stdout)
    failed = [f"{item['check_id']} {item['resource']}" for item in found["results"]["failed_checks"]]
    assert failed == []
    assert found["summary"]["passed"] > 500
