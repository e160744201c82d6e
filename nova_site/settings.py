"""Django's settings, derived from the environment; nothing here reads a variable itself."""

from pathlib import Path
from urllib.parse import urlsplit

from nova_site.databases import database_settings
from nova_site.env import environment
from nova_site.logs import logging_config
from nova_site.wiring import build_web_settings
from sessions.admin.appearance import UNFOLD_SETTINGS

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
    "sessions.admin.policy.operators_door",
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
# The default database stands there, with all words said.
LOCAL_FOLDER = BASE_DIR / ".run"
LOCAL_FOLDER.mkdir(mode=0o700, exist_ok=True)
STATIC_ROOT = LOCAL_FOLDER / "static"
STATIC_ROOT.mkdir(exist_ok=True)
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
LOGIN_URL = "sign_in"
LOGIN_REDIRECT_URL = "page"
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
PUBLIC = urlsplit(ENV.nova_public_url or "")
IS_HTTPS = PUBLIC.scheme == "https"
SESSION_COOKIE_SECURE = IS_HTTPS
CSRF_COOKIE_SECURE = IS_HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if IS_HTTPS else 0
SILENCED_SYSTEM_CHECKS = [
    "security.W005",  # other hosts of the domain are not ours to promise for
    "security.W021",  # nor is its preloading
    "security.W008",  # the front door redirects; a probe inside the cluster speaks plain HTTP
]
# Behind CloudFront the last step is plain HTTP, so the page's own origin is not what a request says of itself.
CSRF_TRUSTED_ORIGINS = [
    origin for origin in (*ENV.nova_allowed_origins, f"{PUBLIC.scheme}://{PUBLIC.netloc}") if origin.startswith("http")
]
if ENV.nova_trusted_hops:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
DATA_UPLOAD_MAX_MEMORY_SIZE = 65_536

UNFOLD = UNFOLD_SETTINGS

LOGGING_CONFIG = None
LOGGING = logging_config(ENV)
