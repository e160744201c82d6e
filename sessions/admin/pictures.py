"""A picture that a reply was shown, as long as Redis still keeps it; in its place later, that it is gone."""

import redis
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from sessions.admin.basics import require
from sessions.models import FrameSet
from sessions.redis_clients import control_client
from workers.streams import kept_pictures

GONE = (
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 176 99"><text x="88" y="54" text-anchor="middle" '
    b'font-family="sans-serif" font-size="12" fill="#8592a2">no longer kept</text></svg>'
)
KINDS = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG": "image/png", b"RIFF": "image/webp"}


@require_safe
def picture(request: HttpRequest, session_id: str, reply_id: str, number: int) -> HttpResponse:
    """Only keys that the reply's own row names are read."""
    require(request, "view_transcripts")
    frame_set = get_object_or_404(FrameSet, reply_id=reply_id, reply__session_id=session_id)
    if number >= len(frame_set.frames):
        raise Http404
    key = str(frame_set.frames[number].get("key", ""))
    try:
        content = kept_pictures.load(control_client(), [key]).get(key, b"")
    except redis.RedisError:
        content = b""
    kind = next((kind for start, kind in KINDS.items() if content.startswith(start)), None)
    response = HttpResponse(content, content_type=kind) if kind else HttpResponse(GONE, content_type="image/svg+xml")
    response.headers["Cache-Control"] = "private, no-store"
    return response
