"""A stand-in for the Pod Identity agent: hands credentials to whoever has the token, and the next key when told to."""

import json
import secrets
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self

# Below botocore's ten minutes, so that each use asks anew whether there is a later key.
LIFE_SECONDS = 30


class PodIdentityAgent:
    """`env` is what EKS gives a container whose service account has an association; `folder` gets the token."""

    def __init__(self, folder: Path) -> None:
        self.key_id = "ASIAFIRSTKEY00000001"
        self.refused = 0
        self._token = secrets.token_urlsafe(32)
        self._token_file = folder / "eks-pod-identity-token"
        self._token_file.write_text(self._token)
        agent = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                agent.answer(self)

            def log_message(self, *_: object) -> None:
                """The journal of the services tells more."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def env(self) -> dict[str, str]:
        return {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{self._server.server_port}/v1/credentials",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(self._token_file),
        }

    def change_key(self) -> None:
        self.key_id = "ASIASECONDKEY0000002"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        if request.headers.get("Authorization") != self._token:
            self.refused += 1
            request.send_error(401)
            return
        expires_at = datetime.now(UTC) + timedelta(seconds=LIFE_SECONDS)
        body = json.dumps(
            {
                "AccessKeyId": self.key_id,
                "SecretAccessKey": f"secret-of-{self.key_id}",
                "Token": f"session-of-{self.key_id}",
                "Expiration": expires_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            }
        ).encode()
        request.send_response(200)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
