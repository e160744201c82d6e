"""The ASGI application: HTTP to Django, websockets to door 2, and the web process's loops for servers with a lifespan."""

import os
from typing import Any

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "nova_site.settings")
django_application = get_asgi_application()

# Importable only now: models need the application registry that the call above has filled.
from nova_site.logs import configure_logging  # noqa: E402
from nova_site.settings import ENV  # noqa: E402
from sessions.admin.live_socket import live_urlpatterns  # noqa: E402
from sessions.realtime.doorway import set_doorway  # noqa: E402
from sessions.realtime.routing import websocket_urlpatterns  # noqa: E402
from sessions.web_process import WebProcess  # noqa: E402
from workers.metrics_server import MetricsPort, serve_metrics  # noqa: E402
from workers.tracing import start_tracing  # noqa: E402

configure_logging(ENV)


async def start_web_process() -> WebProcess:
    """Make the process's shared parts on the running loop, open the websocket door to them, and start the loops."""
    start_tracing(ENV.nova_tracing_endpoint, "web")
    serve_metrics(MetricsPort(ENV.nova_metrics_host, ENV.nova_metrics_port))
    process = WebProcess()
    set_doorway(process.doorkeeper)
    await process.start()
    return process


async def _lifespan(scope: Any, receive: Any, send: Any) -> None:
    """daphne sends no lifespan events; `manage.py serve` starts the loops itself."""
    process: WebProcess | None = None
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            process = await start_web_process()
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            if process is not None:
                await process.stop()
            await send({"type": "lifespan.shutdown.complete"})
            return


application = ProtocolTypeRouter(
    {
        "http": django_application,
        "websocket": URLRouter([*live_urlpatterns, *websocket_urlpatterns]),
        "lifespan": _lifespan,
    }
)
