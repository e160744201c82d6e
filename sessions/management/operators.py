"""Accounts for operators, made without a browser: by `make_operator`, and by `run_local` for this machine alone."""

import os
import secrets
from pathlib import Path

from django.contrib.auth.models import Group, User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from sessions.admin.roles import PERMISSIONS
from workers.errors import NovaError

LOCAL_NAME = "operator"
LOCAL_PASSWORD_FILE = "operator_password"


class OperatorError(NovaError):
    code = "operator_not_made"


def new_password() -> str:
    return secrets.token_urlsafe(18)


def make_operator(name: str, role: str, password: str, *, is_superuser: bool = False) -> User:
    """Makes the account, or gives it this role alone and this password. Raises OperatorError."""
    user = User.objects.filter(username=name).first() or User(username=name)
    user.is_staff = user.is_active = True
    user.is_superuser = is_superuser
    try:
        user.full_clean(exclude=["password"])
        validate_password(password, user)
    except ValidationError as error:
        raise OperatorError("; ".join(error.messages)) from error
    user.set_password(password)
    with transaction.atomic():
        user.save()
        user.groups.remove(*Group.objects.filter(name__in=PERMISSIONS))
        user.groups.add(Group.objects.get(name=role))
    return user


def local_operator(folder: Path) -> tuple[str, str]:
    """Name and password of this machine's own admin; the password is made once and kept in `folder`, for us alone."""
    path = folder / LOCAL_PASSWORD_FILE
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(new_password())
    password = path.read_text().strip()
    known = User.objects.filter(username=LOCAL_NAME).first()
    if known is None or not known.check_password(password):
        make_operator(LOCAL_NAME, "admin", password, is_superuser=True)
    return LOCAL_NAME, password
