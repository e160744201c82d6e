"""The web client's page, where everything is made elsewhere, and signing in to it."""

from django.contrib.auth.views import LoginView, LogoutView, redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_safe

from sessions.configured import web_settings
from sessions.graphs.library import all_graphs

TEMPLATE = "nova_sessions/page.html"

sign_in = LoginView.as_view(template_name="nova_sessions/sign_in.html")
sign_out = LogoutView.as_view(next_page="sign_in")


@require_safe
@ensure_csrf_cookie
def page(request: HttpRequest) -> HttpResponse:
    if web_settings().auth == "required" and not request.user.is_authenticated:
        return redirect_to_login(request.get_full_path())
    graphs = [
        {"name": graph.name, "description": graph.description, "languages": list(graph.languages)}
        for graph in all_graphs()
    ]
    return render(request, TEMPLATE, {"graphs": graphs})
