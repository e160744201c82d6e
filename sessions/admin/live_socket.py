"""The staff's socket of a live view: who may open it, and what a session says and hears, as it happens."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, cast

import redis
import structlog
from asgiref.sync import sync_to_async
from channels.auth import AuthMiddlewareStack, get_user
from channels.consumer import AsyncConsumer
from channels.exceptions import StopConsumer
from django.contrib.auth.models import User
from django.db import close_old_connections
from django.urls import path

from sessions.access import host_is_allowed, origin_is_allowed, origin_secret_matches
from sessions.admin.policy import is_open_to
from sessions.live_view.onlookers import Onlooker, current_onlookers
from sessions.models import Session, SessionState
from workers.errors import NovaError

log = structlog.get_logger(__name__)

NOT_ALLOWED, ENDED, TRY_LATER = 4403, 4410, 1013
CHECK_SECONDS = 5.0
"""So often it is looked whether the session still runs and the operator still may watch it."""
SEND_LIMIT_SECONDS = 10.0


class LiveViewConsumer(AsyncConsumer):
    """Says nothing until it is known who listens; takes no message but the end."""

    _watching: asyncio.Task[None] | None = None

    async def websocket_connect(self, _: Any) -> None:
        session_id = str(self.scope["url_route"]["kwargs"]["session_id"])
        is_ours = _is_from_here(self.scope)
        if not is_ours or not await sync_to_async(_may_watch)(self._user_id(), session_id):
            log.info("live_view_refused", session_id=session_id[:64], is_from_here=is_ours)
            await self.send({"type": "websocket.close", "code": NOT_ALLOWED})
            return
        await self.send({"type": "websocket.accept"})
        self._watching = asyncio.create_task(self._watch(session_id))

    async def websocket_receive(self, _: Any) -> None:
        """Operators act by the admin's forms, where each act is checked and noted."""

    async def websocket_disconnect(self, _: Any) -> None:
        if self._watching is not None:
            self._watching.cancel()
        raise StopConsumer

    def _user_id(self) -> int | None:
        user: Any = self.scope["user"]
        return cast("int | None", user.pk)

    async def _watch(self, session_id: str) -> None:
        try:
            with current_onlookers().joined(session_id) as onlooker:
                await current_onlookers().ask(session_id)
                await self._pass_on(onlooker, session_id)
            await self._close(ENDED, "the session has ended, or may not be watched any more")
        except NovaError as error:
            await self._close(TRY_LATER, error.text)
        except (redis.RedisError, TimeoutError):
            await self._close(TRY_LATER, "Redis cannot be reached, or the page reads too slowly")

    async def _pass_on(self, onlooker: Onlooker, session_id: str) -> None:
        """Until the session has ended, or the operator has signed out or lost the right."""
        checked_at = asyncio.get_running_loop().time()
        while True:
            try:
                async with asyncio.timeout(CHECK_SECONDS):
                    event = await onlooker.next()
            except TimeoutError:
                event = None
            if event is not None:
                async with asyncio.timeout(SEND_LIMIT_SECONDS):
                    await self.send({"type": "websocket.send", "text": json.dumps(event)})
            now = asyncio.get_running_loop().time()
            if now - checked_at >= CHECK_SECONDS:
                checked_at = now
                if not await self._still_may(session_id):
                    return

    async def _still_may(self, session_id: str) -> bool:
        user: Any = await get_user(cast(Any, self.scope))
        return bool(await sync_to_async(_may_watch)(user.pk, session_id))

    async def _close(self, code: int, reason: str) -> None:
        await self.send({"type": "websocket.close", "code": code, "reason": reason[:120]})


def _is_from_here(scope: Mapping[str, Any]) -> bool:
    """A browser always names the page's Origin; without one this is no page of ours."""
    headers = {name.lower(): value.decode("latin-1") for name, value in scope.get("headers", [])}
    host, origin = headers.get(b"host", ""), headers.get(b"origin")
    peer = (scope.get("client") or [""])[0]
    is_forwarded = b"x-forwarded-for" in headers or b"forwarded" in headers
    return (
        origin is not None
        and host_is_allowed(host)
        and origin_is_allowed(origin, host)
        and origin_secret_matches(headers.get(b"x-origin-secret"))
        and is_open_to(host, peer, is_forwarded=is_forwarded)
    )


def _may_watch(user_id: int | None, session_id: str) -> bool:
    """Rights are read anew each time: a user object keeps those that it had."""
    close_old_connections()
    user = User.objects.filter(pk=user_id or 0, is_active=True, is_staff=True).first()
    if user is None or not user.has_perms(["nova_sessions.view_session", "nova_sessions.view_transcripts"]):
        return False
    return Session.objects.filter(id=session_id, state=SessionState.STARTED).exists()


# Channels' URLRouter takes ASGI applications where Django's types know only views.
live_urlpatterns = [
    path("admin/live/<str:session_id>/", cast(Any, AuthMiddlewareStack(cast(Any, LiveViewConsumer.as_asgi())))),
]
