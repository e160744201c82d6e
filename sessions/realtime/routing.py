"""Where the websocket lives; nova_site puts these patterns into its ASGI application."""

from typing import Any, cast

from django.urls import path

from sessions.realtime.consumer import RealtimeConsumer

# Channels' URLRouter takes ASGI applications where Django's types know only views.
websocket_urlpatterns = [path("v1/realtime", cast(Any, RealtimeConsumer.as_asgi()))]
