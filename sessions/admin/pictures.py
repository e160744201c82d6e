"""A picture that a reply was shown, as long as Redis still keeps it."""

import redis
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from sessions.admin.basics import require
from sessions.models import FrameSet
from sessions.redis_clients import control_client

KINDS = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG": "image/png", b"RIFF": "image/webp"}


@require_safe
def picture(request: HttpRequest, session_id: str, reply_id: str, number: int) -> HttpResponse:
    """Only keys that the reply's own row names are read. 404 when the picture has expired."""
    require(request, "view_transcripts")
    frame_set = get_object_or_404(FrameSet, reply_id=reply_id, reply__session_id=session_id)
    if number >= len(frame_set.frames):
        raise Http404
    try:
        found = control_client().get(str(frame_set.frames[number].get("key", "")))
    except redis.RedisError as error:
        raise Http404 from error
    content = found if isinstance(found, bytes) else b""
    kind = next((kind for start, kind in KINDS.items() if content.startswith(start)), None)
    if kind is None:
        raise Http404
    response = HttpResponse(content, content_type=kind)
    response.headers["Cache-Control"] = "private, no-store"
    return response
