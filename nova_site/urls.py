"""Which address leads to which door; the websocket is in asgi.py, health in the first middleware."""

from django.contrib import admin
from django.urls import include, path

from sessions.http.api import api
from sessions.http.page import page

urlpatterns = [
    path("", page, name="page"),
    path("admin/", admin.site.urls),
    path("v1/", api.urls),
    path("", include("sessions.http.reference")),
]
