"""The web client's page; everything on it is made elsewhere."""

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_safe

from sessions.configured import web_settings
from sessions.graphs.library import all_graphs

TEMPLATE = "nova_sessions/page.html"


@require_safe
@ensure_csrf_cookie
def page(request: HttpRequest) -> HttpResponse:
    if web_settings().auth == "required" and not request.user.is_authenticated:
        return redirect_to_login(request.get_full_path(), login_url=reverse("admin:login"))
    graphs = [
        {"name": graph.name, "description": graph.description, "languages": list(graph.languages)}
        for graph in all_graphs()
    ]
    return render(request, TEMPLATE, {"graphs": graphs})
