"""Owns the emulator's own HTTP paths, /_script, /_journal and /_reset, and refuses those no service has."""

from aiohttp import web
from pydantic import ValidationError

from tests.aws_emulator import connections
from tests.aws_emulator.journal import Call, Journal
from tests.aws_emulator.script import Script, ScriptUpdate
from tests.aws_emulator.signature import Keyring


class Control:
    def __init__(self, journal: Journal, script: Script, keyring: Keyring) -> None:
        self._journal = journal
        self._script = script
        self._keyring = keyring

    def add_routes(self, app: web.Application) -> None:
        app.router.add_get("/_health", self._health)
        app.router.add_get("/_script", self._get_script)
        app.router.add_post("/_script", self._post_script)
        app.router.add_post("/_reset", self._post_reset)
        app.router.add_get("/_journal", self._get_journal)
        app.router.add_get("/_journal/{call_id:\\d+}", self._get_call)
        app.router.add_get("/_journal/{call_id:\\d+}/audio", self._get_audio)
        app.router.add_route("*", "/{path:.*}", self._unknown)

    def apply(self, update: ScriptUpdate) -> None:
        self._script.apply(update)
        self._keyring.accept_unknown = self._script.settings.accept_unknown_keys
        self._keyring.expired = set(self._script.settings.expired_keys)

    def reset(self) -> None:
        """Forgets script and journal; streams that are open go on, unrecorded."""
        self._journal.clear()
        self._script.reset()
        self.apply(ScriptUpdate())

    async def _health(self, request: web.Request) -> web.Response:
        return web.json_response({"ok": True})

    async def _get_script(self, request: web.Request) -> web.Response:
        return web.json_response(self._script.state())

    async def _post_script(self, request: web.Request) -> web.Response:
        try:
            self.apply(ScriptUpdate.model_validate_json(await request.read()))
        except ValidationError as error:
            text = error.json(include_url=False)
            return web.Response(status=400, text=text, content_type="application/json")
        return web.json_response({"ok": True})

    async def _post_reset(self, request: web.Request) -> web.Response:
        self.reset()
        return web.json_response({"ok": True})

    async def _get_journal(self, request: web.Request) -> web.Response:
        wanted = dict(request.query)
        is_full = wanted.pop("full", "0") == "1"
        calls = self._journal.select(**wanted)
        return web.json_response([call.full() if is_full else call.summary() for call in calls])

    async def _get_call(self, request: web.Request) -> web.Response:
        return web.json_response(self._call(request).full())

    async def _get_audio(self, request: web.Request) -> web.Response:
        return web.Response(body=bytes(self._call(request).audio), content_type="application/octet-stream")

    async def _unknown(self, request: web.Request) -> web.Response:
        operation = f"{request.method} {request.path}"
        call = self._journal.open("unknown", operation, "http", connections.client_port(request.transport))
        call.refused(404, "UnknownOperationException", f"The emulator does not know {operation}")
        headers = {"x-amzn-ErrorType": "UnknownOperationException"}
        return web.json_response({"message": call.error_message}, status=404, headers=headers)

    def _call(self, request: web.Request) -> Call:
        call = self._journal.get(int(request.match_info["call_id"]))
        if call is None:
            raise web.HTTPNotFound(text="no such call in the journal")
        return call
