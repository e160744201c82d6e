"""Who may see and do what in the admin: a matrix of all its pages and every role, counted so that no page is forgotten."""

import re
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from sessions.models import Session, SessionState, Turn
from sessions.operator_models import ApiKey, AuditEntry, GraphSetting, Webhook, WebhookDelivery
from tests.unit.operator_rows import person, talk
from tests.unit.web_site import Configure, configure  # noqa: F401

# ruff: noqa: F811
pytestmark = pytest.mark.django_db

EVERYONE = ("anonymous", "nobody", "staff", "viewer", "operator", "admin", "root")
STAFF, VIEWER, OPERATOR, ADMIN, ROOT = (
    ("staff", "viewer", "operator", "admin", "root"),
    "viewer",
    "operator",
    "admin",
    "root",
)
LISTS = {
    "session": (VIEWER, OPERATOR, ADMIN, ROOT),
    "turn": (OPERATOR, ADMIN, ROOT),
    "graphsetting": (VIEWER, OPERATOR, ADMIN, ROOT),
    "apikey": (ADMIN, ROOT),
    "webhook": (VIEWER, OPERATOR, ADMIN, ROOT),
    "webhookdelivery": (OPERATOR, ADMIN, ROOT),
    "auditentry": (ADMIN, ROOT),
}
RIGHTS: dict[str, tuple[str, ...]] = {
    "index": STAFF,
    "figures": (VIEWER, OPERATOR, ADMIN, ROOT),
    "prices": (VIEWER, OPERATOR, ADMIN, ROOT),
    "session_transcript": (OPERATOR, ADMIN, ROOT),
    "session_live": (OPERATOR, ADMIN, ROOT),
    "session_export": (OPERATOR, ADMIN, ROOT),
    "session_picture": (OPERATOR, ADMIN, ROOT),
    "session_erase": (ADMIN, ROOT),
    "session_stop": (OPERATOR, ADMIN, ROOT),
    "session_say": (OPERATOR, ADMIN, ROOT),
    "session_whisper": (OPERATOR, ADMIN, ROOT),
    "apikey_revoke": (ADMIN, ROOT),
    "webhook_renew": (ADMIN, ROOT),
    "delivery_again": (ADMIN, ROOT),
    "nova_sessions_apikey_add": (ADMIN, ROOT),
    "nova_sessions_webhook_add": (ADMIN, ROOT),
    "nova_sessions_webhook_delete": (ADMIN, ROOT),
    "auth_user_changelist": (ADMIN, ROOT),
    "auth_user_add": (ADMIN, ROOT),
    "auth_user_change": (ADMIN, ROOT),
    "auth_user_delete": (ADMIN, ROOT),
    "auth_user_history": (ADMIN, ROOT),
    "auth_user_password_change": (ADMIN, ROOT),
    "auth_group_changelist": (ADMIN, ROOT),
    "auth_group_change": (ADMIN, ROOT),
    "auth_group_history": (ADMIN, ROOT),
    "auth_group_add": (ROOT,),
    "auth_group_delete": (ROOT,),
    **{f"nova_sessions_{name}_changelist": roles for name, roles in LISTS.items()},
    **{f"nova_sessions_{name}_change": roles for name, roles in LISTS.items()},
    **{f"nova_sessions_{name}_history": roles for name, roles in LISTS.items()},
}
NOBODY = [
    f"nova_sessions_{name}_{what}"
    for name in LISTS
    for what in ("add", "delete")
    if f"nova_sessions_{name}_{what}" not in RIGHTS
]
"""Pages that Django makes for each list and that are closed to all: these rows are the system's."""
WITHOUT_SECRETS = {
    "login",
    "logout",
    "password_change",
    "password_change_done",
    "autocomplete",
    "jsi18n",
    "view_on_site",
}
WITHOUT_SECRETS |= {"search", "app_list", ""}
BY_POST = {"session_stop", "session_say", "session_whisper", "apikey_revoke", "webhook_renew", "delivery_again"}


class Everything:
    """One row of each kind, and the address of each page about it."""

    def __init__(self) -> None:
        self.session = talk(state=SessionState.STARTED)
        self.turn = Turn.objects.get()
        self.key = ApiKey.objects.create(name="site", shown_start="nova_", digest="d", owner="key:d")
        self.hook = Webhook.objects.create(url="https://example.org/", sealed_secret="s", events=[])
        self.delivery = WebhookDelivery.objects.create(
            webhook=self.hook, event="alert", line="alerts", payload={}, state="given_up"
        )
        self.entry = AuditEntry.objects.create(actor="a", actor_id=1, action="key.make")
        self.user = User.objects.create_user("somebody")
        self.pks: dict[str, object] = {
            "session": self.session.pk,
            "turn": self.turn.pk,
            "graphsetting": GraphSetting.objects.values_list("pk", flat=True)[0],
            "apikey": self.key.pk,
            "webhook": self.hook.pk,
            "webhookdelivery": self.delivery.pk,
            "auditentry": self.entry.pk,
            "user": self.user.pk,
            "group": Group.objects.earliest("id").pk,
        }

    def path(self, name: str, route: str) -> str:
        named = {
            "session_id": self.session.id,
            "reply_id": self.turn.reply_id,
            "number": 0,
            "kind": "json",
            "key_id": self.key.pk,
            "webhook_id": self.hook.pk,
            "delivery": self.delivery.pk,
            "object_id": next((pk for model, pk in self.pks.items() if f"_{model}_" in name), self.user.pk),
            "id": self.user.pk,
        }
        filled = re.sub(r"<(?:\w+:)?(\w+)>", lambda match: str(named[match[1]]), route)
        return "/admin/" + filled


def routes() -> Iterator[tuple[str, str]]:
    """(name, route) of every page of the admin, as the site serves them."""
    admin = next(each for each in get_resolver().url_patterns if str(each.pattern) == "admin/")
    assert isinstance(admin, URLResolver)
    yield from _routes(admin.url_patterns, "")


def _routes(patterns: list[URLPattern | URLResolver], before: str) -> Iterator[tuple[str, str]]:
    for pattern in patterns:
        route = str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _routes(pattern.url_patterns, before + route)
        elif "export" in route:
            yield pattern.name or "", before + "<session_id>/export.<kind>"
        elif pattern.name:
            yield pattern.name, before + route


def client_of(role: str) -> Client:
    client = Client(raise_request_exception=True)
    if role != "anonymous":
        client.force_login(person(role))
    return client


def test_ht_07_every_page_of_the_admin_has_its_rights_written_down() -> None:
    names = {name for name, _ in routes()}
    assert names - set(RIGHTS) - set(NOBODY) - WITHOUT_SECRETS == set()
    assert set(RIGHTS) - names == set()


@pytest.mark.parametrize("role", EVERYONE)
def test_ht_07_each_role_reaches_its_own_pages_and_no_other(role: str, configure: Configure) -> None:
    configure(auth="required")
    every, client = Everything(), client_of(role)
    wrong = []
    for name, route in dict.fromkeys(routes()):
        if name in WITHOUT_SECRETS:
            continue
        path = every.path(name, route)
        response = client.post(path, {"text": "x"}) if name in BY_POST else client.get(path)
        is_in = response.status_code in (200, 404, 302) and "/login/" not in response.headers.get("Location", "")
        expected = role in RIGHTS.get(name, ())
        if is_in != expected:
            wrong.append((name, path, response.status_code, response.headers.get("Location")))
        if name == "session_stop":
            Session.objects.update(state=SessionState.STARTED)
        if name in ("apikey_revoke", "delivery_again"):
            ApiKey.objects.update(revoked_at=None)
            WebhookDelivery.objects.update(state="given_up")
    assert wrong == []


@pytest.mark.parametrize("page", ["transcript/", "live/", "export.json", "export.csv", "export.srt"])
def test_ht_07_a_viewer_gets_403_on_transcripts(page: str, configure: Configure) -> None:
    session = talk("a word that only operators may read")
    client = client_of("viewer")
    assert client.get(f"/admin/nova_sessions/session/{session.id}/{page}").status_code == 403
    overview = client.get(f"/admin/nova_sessions/session/{session.id}/change/")
    assert overview.status_code == 200
    assert b"only operators" not in overview.content
