"""Accounts of operators: made by a command, or by `make run` for this machine; and what an admin may do to people."""

import io
import stat
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client

from sessions.management.operators import LOCAL_PASSWORD_FILE, OperatorError, local_operator, make_operator
from sessions.operator_models import AuditEntry, GraphSetting
from tests.unit.operator_rows import person
from tests.unit.web_site import Configure, configure  # noqa: F401

# ruff: noqa: F811
pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def _quick_passwords(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def roles_of(name: str) -> list[str]:
    return sorted(User.objects.get(username=name).groups.values_list("name", flat=True))


def test_the_command_makes_an_account_and_shows_its_password_once(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    call_command("make_operator", "ada", role="operator", stdout=out)
    password = out.getvalue().strip().rpartition(": ")[2]
    user = authenticate(username="ada", password=password)
    assert user is not None
    assert (user.is_staff, user.is_superuser, roles_of("ada")) == (True, False, ["operator"])


def test_an_account_gets_another_role_instead_of_the_one_before() -> None:
    make_operator("ada", "viewer", PASSWORD)
    make_operator("ada", "admin", PASSWORD)
    assert roles_of("ada") == ["admin"]


@pytest.mark.parametrize(("name", "password"), [("ada", "short"), ("ada", "password1234"), ("a b/c", PASSWORD)])
def test_a_weak_password_or_a_name_that_is_none_is_refused(name: str, password: str) -> None:
    with pytest.raises(OperatorError):
        make_operator(name, "viewer", password)
    assert not User.objects.exists()


def test_the_command_says_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    with pytest.raises(CommandError, match="too short"):
        call_command("make_operator", "ada", password_stdin=True)


def test_this_machines_password_is_made_once_and_is_for_its_owner_alone(tmp_path: Path) -> None:
    first = local_operator(tmp_path)
    assert local_operator(tmp_path) == first
    path = tmp_path / LOCAL_PASSWORD_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(first[1]) >= 20
    assert authenticate(username=first[0], password=first[1]) is not None


def test_this_machines_account_comes_back_when_its_password_was_changed(tmp_path: Path) -> None:
    name, password = local_operator(tmp_path)
    user = User.objects.get(username=name)
    user.set_password("something else entirely")
    user.save()
    local_operator(tmp_path)
    assert authenticate(username=name, password=password) is not None


def test_every_graph_of_a_file_has_a_row() -> None:
    assert "voice" in GraphSetting.objects.values_list("graph_name", flat=True)


def test_an_admin_can_make_no_superuser_and_touch_none(configure: Configure) -> None:
    configure(auth="required")
    root, somebody = person("root"), User.objects.create(username="somebody")
    client = Client()
    client.force_login(person("admin"))
    assert client.get(f"/admin/auth/user/{root.pk}/change/").status_code == 302
    body = {"username": "somebody", "is_active": "on", "is_superuser": "on", "is_staff": "on"}
    body |= {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    assert client.post(f"/admin/auth/user/{somebody.pk}/change/", body).status_code == 302
    somebody.refresh_from_db()
    assert (somebody.is_staff, somebody.is_superuser) == (True, False)
    assert [entry.action for entry in AuditEntry.objects.all()] == ["user.change"]


def test_who_may_only_talk_signs_in_to_the_page_and_not_to_the_admin(configure: Configure) -> None:
    configure(auth="required")
    User.objects.create_user("talker", password=PASSWORD)
    client = Client()
    answer = client.post("/sign-in/", {"username": "talker", "password": PASSWORD, "next": "/"})
    assert (answer.status_code, answer.headers["Location"]) == (302, "/")
    assert client.get("/").status_code == 200
    assert client.get("/admin/").status_code == 302


def test_a_sign_in_leads_nowhere_else(configure: Configure) -> None:
    configure(auth="required")
    User.objects.create_user("talker", password=PASSWORD)
    body = {"username": "talker", "password": PASSWORD, "next": "https://evil.example/"}
    assert Client().post("/sign-in/", body).headers["Location"] == "/"
