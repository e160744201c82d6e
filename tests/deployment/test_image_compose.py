"""The compose file for one host: what each container may do, see and is asked to run. No engine is needed."""

import re
from typing import Any

import pytest
import yaml

from nova_site.entry import command_line
from nova_site.env import Environment
from tests.deployment.clean_root import ROOT

pytestmark = pytest.mark.deployment

Json = dict[str, Any]
TEXT = (ROOT / "compose.yaml").read_text()
FILE: Json = yaml.safe_load(TEXT)
OURS: dict[str, Json] = {name: item for name, item in FILE["services"].items() if "nova-realtime" in item["image"]}
CREDENTIALS = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}
SECRETS = {*CREDENTIALS, "DJANGO_SECRET_KEY", "NOVA_API_KEYS", "DATABASE_URL", "AGORA_APP_CERTIFICATE"}


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


@pytest.mark.parametrize("name", OURS)
def test_a_container_of_ours_has_no_rights_and_writes_in_tmp_alone(name: str) -> None:
    service = OURS[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert [mount.partition(":")[0] for mount in service["tmpfs"]] == ["/tmp"]
    assert not {"privileged", "volumes", "user", "network_mode"} & set(service)


@pytest.mark.parametrize("name", OURS)
def test_a_containers_command_is_one_of_the_entry(name: str) -> None:
    command = OURS[name]["command"] or OURS[name]["entrypoint"][-1].partition("nova ")[2].partition(";")[0].split()
    assert command_line().parse_args(command).command == command[0]


@pytest.mark.parametrize("name", OURS)
def test_a_containers_variables_are_settings_of_ours(name: str) -> None:
    known = {field.upper() for field in Environment.model_fields} | CREDENTIALS
    assert set(OURS[name]["environment"]) - known == set()


def test_a_container_gets_the_secrets_that_it_needs_and_no_other() -> None:
    given = {name: SECRETS & set(service["environment"]) for name, service in OURS.items()}
    assert given == {
        "migrate": {"DATABASE_URL"},
        "web": SECRETS,
        "talking": CREDENTIALS,
        "seeing": set(),
        "housekeeping": {"DATABASE_URL"},
    }


def test_only_the_page_is_offered_and_to_this_host_alone_unless_asked() -> None:
    offered = {name: service["ports"] for name, service in FILE["services"].items() if "ports" in service}
    assert offered == {"web": ["${NOVA_LISTEN:-127.0.0.1:8000}:8000"]}


def test_images_of_others_are_pinned_by_their_whole_version() -> None:
    images = [service["image"] for name, service in FILE["services"].items() if name not in OURS]
    assert all(re.fullmatch(r"\w+:\d+\.\d+(\.\d+)?-bookworm", image) for image in images)


def test_redis_throws_nothing_away_and_asks_for_a_password() -> None:
    command = FILE["services"]["redis"]["command"]
    assert "--maxmemory-policy noeviction" in command
    assert '--requirepass "$$REDIS_PASSWORD"' in command


def test_processes_have_time_to_leave() -> None:
    grace = {name: seconds(OURS[name]["stop_grace_period"]) for name in ("web", "talking", "seeing")}
    assert grace == {"web": 45, "talking": 60, "seeing": 30}


def test_every_variable_of_the_file_is_in_the_example_and_the_reverse() -> None:
    wanted = set(re.findall(r"\$\{(\w+)", TEXT))
    example = (ROOT / "compose.env.example").read_text()
    assert set(re.findall(r"^(\w+)=", example, re.MULTILINE)) == wanted


def test_the_image_carries_the_projects_version() -> None:
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    assert {service["image"] for service in OURS.values()} == {f"${{NOVA_IMAGE:-nova-realtime:{version[1]}}}"}
