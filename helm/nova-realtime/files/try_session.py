"""Makes, starts, pings and stops a session over the HTTP API; calls nothing of AWS. Ends with one line and 0 or 1."""

import json
import os
import sys
import urllib.error
import urllib.request

URL = os.environ["NOVA_TRY_URL"].rstrip("/")


def headers() -> dict[str, str]:
    key = os.environ["NOVA_API_KEYS"].split(",")[0].strip()
    found = {"Authorization": f"Bearer {key}", "Content-Type": "application/json", "X-Forwarded-Proto": "https"}
    secret = os.environ.get("NOVA_ORIGIN_SECRET")
    return {**found, "X-Origin-Secret": secret} if secret else found


def call(action: str, body: dict[str, str]) -> dict[str, object]:
    request = urllib.request.Request(
        f"{URL}/v1/api/{action}", data=json.dumps(body).encode(), headers=headers(), method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            answer = json.load(response)
    except urllib.error.HTTPError as error:
        sys.exit(f"{action}: HTTP {error.code}: {error.read(300).decode(errors='replace')}")
    except OSError as error:
        sys.exit(f"{action}: {URL} cannot be reached: {error}")
    if answer.get("code") != "0":
        sys.exit(f"{action}: {answer.get('msg')}")
    data = answer.get("data")
    return data if isinstance(data, dict) else {}


if __name__ == "__main__":
    channel = str(call("generate", {})["channel_name"])
    call("start", {"channel_name": channel, "graph_name": "voice"})
    call("ping", {"channel_name": channel})
    call("stop", {"channel_name": channel})
    print(f"generate, start, ping and stop of {channel} went well")
