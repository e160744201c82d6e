"""Where the EKS folder meets the chart: values that the page sets, names that roles trust, secrets; and cfn-lint's opinion."""

import re
import subprocess
from typing import Any

import pytest
import yaml

from tests.deployment.python312 import environment
from tests.deployment.test_eks_files import EKS, PAGE, TEMPLATES

pytestmark = [pytest.mark.deployment, pytest.mark.timeout(1_200)]

Json = dict[str, Any]
CHART = EKS.parent / "nova-realtime"
VALUES: Json = yaml.safe_load((CHART / "values.yaml").read_text())
# What step 9 and the section on IRSA hand over.
SET = re.findall(r"--set ([\w.]+)=", PAGE.partition("## 9. ")[2])
OF_OTHERS = re.findall(r"--set ([\w.]+)=", PAGE.partition("## 9. ")[0])


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_pleases_cfn_lint(name: str) -> None:
    python = environment()
    if python is None:
        pytest.skip("no Python 3.12 for cfn-lint")
    command = [str(python.with_name("cfn-lint")), str(EKS / name)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("key", sorted(set(SET)))
def test_a_value_that_the_page_sets_is_one_of_the_chart(key: str) -> None:
    found: Any = VALUES
    for part in key.split("."):
        assert part in found, key
        found = found[part]


def test_values_of_others_are_not_taken_for_the_charts() -> None:
    assert len(set(SET)) >= 8
    assert "clusterName" in OF_OTHERS


def test_the_pages_secret_has_every_key_that_the_chart_asks_for() -> None:
    made = set(re.findall(r"^([A-Z_]+)=\$\(openssl", PAGE, re.MULTILINE))
    assert made == {"DJANGO_SECRET_KEY", "NOVA_API_KEYS", "REDIS_PASSWORD", "DATABASE_PASSWORD", "NOVA_ORIGIN_SECRET"}
    helpers = "\n".join(path.read_text() for path in (CHART / "templates").rglob("*") if path.is_file())
    assert {key for key in made if key not in helpers} == set()


def test_values_for_eks_name_the_secret_and_the_accounts_that_the_page_makes() -> None:
    values = yaml.safe_load((CHART / "values-eks.yaml").read_text())
    assert values["fullnameOverride"] == "nova"
    assert f"secret generic {values['secrets']['existingSecret']} " in PAGE
    assert values["aws"]["identity"] == "podIdentity"
