"""The list of sessions and a session's pages: overview (figures), transcript (words), live view, and what can be done to it."""

from functools import partial
from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, re_path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from sessions.admin import session_actions
from sessions.admin.audit import note
from sessions.admin.basics import ReadOnlyPage, badge, length, may, moment, require
from sessions.admin.filters import EndReasonFilter, FaultFilter, GraphFilter, StartedFilter, StateFilter
from sessions.admin.pictures import picture
from sessions.admin.story import TURNS_SHOWN, costs_of, events_by_turn, events_of, outlined, told, turns_of
from sessions.models import Session, SessionState, Turn
from sessions.operator_models import AuditEntry

AUDIT_SHOWN = 50


class SessionPages(ReadOnlyPage):
    list_display = (
        "shown_channel",
        "shown_state",
        "graph_name",
        "shown_start",
        "shown_length",
        "shown_turns",
        "shown_cuts",
        "shown_faults",
        "shown_cost",
    )
    list_display_links = None
    list_filter = (StateFilter, GraphFilter, StartedFilter, FaultFilter, EndReasonFilter)
    search_fields = ("channel_name", "id", "owner")
    search_help_text = "channel, session id or owner"
    ordering = ("-started_at",)
    list_fullwidth = True

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Session]":
        return Session.objects.defer("overrides")

    # --- the list -----------------------------------------------------------------------------------------------------

    @admin.display(description="Channel", ordering="channel_name")
    def shown_channel(self, session: Session) -> SafeString:
        return format_html('<a href="{}">{}</a>', session_actions.page_of(session), session.channel_name)

    @admin.display(description="State", ordering="state")
    def shown_state(self, session: Session) -> SafeString:
        return state_badge(session)

    @admin.display(description="Started", ordering="started_at")
    def shown_start(self, session: Session) -> str:
        return moment(session.started_at)

    @admin.display(description="Length")
    def shown_length(self, session: Session) -> str:
        return length(((session.ended_at or timezone.now()) - session.started_at).total_seconds())

    @admin.display(description="Turns", ordering="turn_count")
    def shown_turns(self, session: Session) -> int:
        return session.turn_count

    @admin.display(description="Cut off", ordering="interruption_count")
    def shown_cuts(self, session: Session) -> int:
        return session.interruption_count

    @admin.display(description="Faults", ordering="fault_count")
    def shown_faults(self, session: Session) -> SafeString:
        return badge(session.fault_count, "bad" if session.fault_count else "quiet")

    @admin.display(description="Cost", ordering="cost_usd")
    def shown_cost(self, session: Session) -> str:
        return f"${session.cost_usd:.4f}"

    # --- the pages ----------------------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("<str:session_id>/transcript/", view(require_safe(self.transcript)), name="session_transcript"),
            path("<str:session_id>/live/", view(require_safe(self.live)), name="session_live"),
            path("<str:session_id>/stop/", view(session_actions.stop), name="session_stop"),
            path("<str:session_id>/say/", view(session_actions.say), name="session_say"),
            path("<str:session_id>/whisper/", view(session_actions.whisper), name="session_whisper"),
            path("<str:session_id>/erase/", view(self.erase), name="session_erase"),
            re_path(
                r"^(?P<session_id>[^/]+)/export\.(?P<kind>json|csv|srt)$",
                view(session_actions.export),
                name="session_export",
            ),
            path("<str:session_id>/pictures/<str:reply_id>/<int:number>/", view(picture), name="session_picture"),
        ]
        return own + list(super().get_urls())

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The overview: figures of every turn, what it cost and what went wrong, not a word of what was said."""
        require(request, "view_session")
        session = get_object_or_404(Session, id=object_id)
        pages = self._pages(session)
        page = pages.get_page(request.GET.get("page"))
        context = {
            **self._context(request, session, "overview"),
            "page": page,
            "turns": outlined(turns_of(session, page.number)),
            "costs": costs_of(session),
            "events": events_of(session),
            "audit": self._audit(request, session),
        }
        return TemplateResponse(request, "nova_admin/session.html", context)

    def transcript(self, request: HttpRequest, session_id: str) -> HttpResponse:
        require(request, "view_transcripts")
        session = get_object_or_404(Session, id=session_id)
        page = self._pages(session).get_page(request.GET.get("page"))
        note(request, "session.read", "session", session.id, page=page.number)
        turns = told(turns_of(session, page.number))
        by_turn = events_by_turn(turns, events_of(session))
        context = {
            **self._context(request, session, "transcript"),
            "page": page,
            "turns": [(turn, by_turn[turn.turn.turn_id]) for turn in turns],
        }
        return TemplateResponse(request, "nova_admin/transcript.html", context)

    def live(self, request: HttpRequest, session_id: str) -> HttpResponse:
        require(request, "view_transcripts")
        session = get_object_or_404(Session, id=session_id)
        note(request, "session.watch", "session", session.id)
        return TemplateResponse(request, "nova_admin/live.html", self._context(request, session, "live"))

    def erase(self, request: HttpRequest, session_id: str) -> HttpResponse:
        context = {**self.admin_site.each_context(request), "title": "Erase a session", "opts": self.opts}
        return session_actions.erase(request, session_id, context)

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Django's own log knows nothing of sessions; the audit log does."""
        return self.change_view(request, object_id)

    # --- inside -------------------------------------------------------------------------------------------------------

    def _pages(self, session: Session) -> "Paginator[Turn]":
        return Paginator(Turn.objects.filter(session=session).order_by("started_at", "id"), TURNS_SHOWN)

    def _context(self, request: HttpRequest, session: Session, tab: str) -> dict[str, Any]:
        link = partial(reverse, args=[session.id])
        return {
            **self.admin_site.each_context(request),
            "title": f"Session {session.channel_name}",
            "subtitle": None,
            "opts": self.opts,
            "session": session,
            "state": state_badge(session),
            "lasted": length(((session.ended_at or timezone.now()) - session.started_at).total_seconds()),
            "is_running": session.state == SessionState.STARTED,
            "tab": tab,
            "links": {
                name: link(f"admin:session_{name}")
                for name in ("transcript", "live", "stop", "say", "whisper", "erase")
            },
            "exports": [
                (kind.upper(), reverse("admin:session_export", args=[session.id, kind]))
                for kind in ("json", "csv", "srt")
            ],
            "overview": session_actions.page_of(session),
            "may_read": may(request, "view_transcripts"),
            "may_operate": may(request, "operate_sessions"),
            "may_export": may(request, "export_sessions") and may(request, "view_transcripts"),
            "may_erase": may(request, "erase_sessions"),
        }

    def _audit(self, request: HttpRequest, session: Session) -> list[AuditEntry]:
        if not may(request, "view_auditentry"):
            return []
        return list(AuditEntry.objects.filter(target_kind="session", target_id=session.id)[:AUDIT_SHOWN])


def state_badge(session: Session) -> SafeString:
    if session.state == SessionState.ENDED:
        return badge(f"ended: {session.end_reason or 'unknown'}", "quiet")
    return badge("live", "good") if session.is_connected else badge("waiting for its client", "warning")
