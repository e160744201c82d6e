"""Which address leads to which door; the websockets are in asgi.py, health in the first middleware."""

from django.urls import include, path

from sessions.admin.doors import operators
from sessions.http.api import api
from sessions.http.page import page, sign_in, sign_out

urlpatterns = [
    path("", page, name="page"),
    path("sign-in/", sign_in, name="sign_in"),
    path("sign-out/", sign_out, name="sign_out"),
    path("admin/", operators.urls),
    path("v1/", api.urls),
    path("", include("sessions.http.reference")),
]
