"""Signs what is sent, as standardwebhooks.com describes, and keeps the secrets sealed in the database."""

import base64
import functools
import hashlib
import hmac
import secrets

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings

from workers.errors import NovaError

PREFIX = "whsec_"
_SALT = b"nova.webhook.secret"


class SecretUnreadableError(NovaError):
    code = "webhook_secret_unreadable"


def new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def signature(secret: str, delivery_id: str, timestamp: int, body: bytes) -> str:
    """`v1,` and base64 of HMAC-SHA256 over `id.timestamp.body`; the receiver refuses old timestamps."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = b".".join((delivery_id.encode(), str(timestamp).encode(), body))
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def seal(secret: str) -> str:
    return _cipher(settings.SECRET_KEY).encrypt(secret.encode()).decode()


def unseal(sealed: str) -> str:
    """Raises SecretUnreadableError when DJANGO_SECRET_KEY has changed since."""
    try:
        return _cipher(settings.SECRET_KEY).decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        raise SecretUnreadableError("sealed with another DJANGO_SECRET_KEY; make a new secret") from error


@functools.lru_cache(maxsize=4)
def _cipher(secret_key: str) -> Fernet:
    derived = hashlib.pbkdf2_hmac("sha256", secret_key.encode(), _SALT, 100_000)
    return Fernet(base64.urlsafe_b64encode(derived))
