"""Django's settings, derived from the environment; nothing here reads a variable itself."""

from pathlib import Path

from nova_site.databases import database_settings
from nova_site.env import environment
from nova_site.logs import logging_config
from nova_site.wiring import build_web_settings

BASE_DIR = Path(__file__).resolve().parent.parent
ENV = environment()
NOVA = build_web_settings(ENV)

SECRET_KEY = ENV.secret_key()
DEBUG = False
ALLOWED_HOSTS = [*ENV.django_allowed_hosts, "127.0.0.1", "localhost", "[::1]"]
ROOT_URLCONF = "nova_site.urls"
ASGI_APPLICATION = "nova_site.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "sessions.apps.SessionsConfig",
]

MIDDLEWARE = [
    "sessions.http.middleware.door",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {"default": database_settings(ENV.database_url, BASE_DIR, ENV.nova_database_pool)}

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / ".run" / "static"
STATIC_ROOT.mkdir(parents=True, exist_ok=True)
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
LANGUAGE_CODE = "en"
USE_TZ = True
TIME_ZONE = "UTC"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Strict"
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_TRUSTED_ORIGINS = [origin for origin in ENV.nova_allowed_origins if origin.startswith("http")]
if ENV.nova_trusted_hops:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
DATA_UPLOAD_MAX_MEMORY_SIZE = 65_536

LOGGING_CONFIG = None
LOGGING = logging_config(ENV.nova_log_format, ENV.nova_log_level)
