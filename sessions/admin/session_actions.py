"""What an operator can do to a session: stop it, speak by it, whisper to it, take it out, erase it; each is noted first."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from sessions import lifecycle
from sessions.admin.audit import note
from sessions.admin.basics import require
from sessions.admin.exports import FORMATS, MAKERS
from sessions.live_view.whispering import WHISPER_CHARACTERS
from sessions.models import Reply, Session, SessionState, Turn
from sessions.records.erasure import erase_session
from sessions.redis_clients import publish_control
from workers.errors import BadInputError, NovaError
from workers.streams.messages import AnyControl, SayText, WhisperText

SAY_CHARACTERS = 1_000
EXPORTED_TURNS = 10_000


class SessionOverError(NovaError):
    code = "session_ended"


@require_POST
def stop(request: HttpRequest, session_id: str) -> HttpResponse:
    require(request, "operate_sessions")
    session = get_object_or_404(Session, id=session_id)
    note(request, "session.stop", "session", session.id)
    return _answered(
        request, session, "The session is stopped.", lambda: lifecycle.end_found_session(session, "stopped")
    )


@require_POST
def say(request: HttpRequest, session_id: str) -> HttpResponse:
    done = "It will be said as soon as the agent is free."
    return _send_words(request, session_id, "session.say", SayText, SAY_CHARACTERS, done)


@require_POST
def whisper(request: HttpRequest, session_id: str) -> HttpResponse:
    done = "The model will know from its next answer on."
    return _send_words(request, session_id, "session.whisper", WhisperText, WHISPER_CHARACTERS, done)


@require_safe
def export(request: HttpRequest, session_id: str, kind: str) -> HttpResponse:
    require(request, "export_sessions")
    require(request, "view_transcripts")
    session = get_object_or_404(Session, id=session_id)
    note(request, "session.export", "session", session.id, format=kind)
    turns = list(Turn.objects.filter(session=session).order_by("started_at", "id")[:EXPORTED_TURNS])
    replies = {reply.turn_id: reply for reply in Reply.objects.filter(session=session)[:EXPORTED_TURNS]}
    response = HttpResponse(MAKERS[kind](session, turns, replies), content_type=FORMATS[kind])
    response.headers["Content-Disposition"] = f'attachment; filename="{session.id}.{kind}"'
    return response


def erase(request: HttpRequest, session_id: str, context: dict[str, Any]) -> HttpResponse:
    """Asks on GET; on POST the session is gone, and the audit log keeps only that it was erased."""
    require(request, "erase_sessions")
    session = get_object_or_404(Session, id=session_id)
    if request.method != "POST":
        return TemplateResponse(request, "nova_admin/erase.html", {**context, "session": session})
    note(request, "session.erase", "session", session.id)
    try:
        report = erase_session(session.id)
    except NovaError as error:
        messages.error(request, error.text)
        return HttpResponseRedirect(page_of(session))
    rows, entries = sum(report.rows.values()), sum(report.entries.values())
    messages.success(
        request, f"Session {session.id} is erased: {rows} rows, {entries} stream entries, {report.keys} keys."
    )
    return HttpResponseRedirect(reverse("admin:nova_sessions_session_changelist"))


def page_of(session: Session) -> str:
    return reverse("admin:nova_sessions_session_change", args=[session.id])


def _send_words(
    request: HttpRequest,
    session_id: str,
    action: str,
    message: type[SayText] | type[WhisperText],
    limit: int,
    done: str,
) -> HttpResponse:
    """The posted text goes to whoever holds the session's socket."""
    require(request, "operate_sessions")
    session = get_object_or_404(Session, id=session_id)

    def send() -> None:
        text = _text(request, limit)
        note(request, action, "session", session.id, text=text)
        _tell(session, message(session.id, text))

    return _answered(request, session, done, send)


def _text(request: HttpRequest, limit: int) -> str:
    text = request.POST.get("text", "").strip()
    if not text or len(text) > limit:
        raise BadInputError(f"write 1 to {limit} characters", field="text")
    return text


def _tell(session: Session, message: AnyControl) -> None:
    if session.state != SessionState.STARTED:
        raise SessionOverError("the session has ended")
    publish_control(message)


def _answered(request: HttpRequest, session: Session, done: str, act: Any) -> HttpResponse:
    """A script gets JSON; a form without one goes back to the session's page."""
    wants_json = "application/json" in request.headers.get("Accept", "")
    try:
        act()
    except NovaError as error:
        if wants_json:
            status = 503 if error.retriable else 409 if isinstance(error, SessionOverError) else 400
            return JsonResponse({"code": error.code, "text": error.text}, status=status)
        messages.error(request, error.text)
        return HttpResponseRedirect(page_of(session))
    if wants_json:
        return JsonResponse({"code": "0", "text": done})
    messages.success(request, done)
    return HttpResponseRedirect(page_of(session))
