"""Helpers of the log-in tests: a user with a password, an authenticator app in four lines, the forms of the entrance."""

from __future__ import annotations

import base64
import hmac
import struct
import time

from allauth.mfa.models import Authenticator
from allauth.mfa.utils import encrypt
from django.http import HttpResponse
from django.test import Client

from anzhang import clock
from anzhang.directory import passwords
from anzhang.directory.models import User
from anzhang.directory.tickets import actor_of_user
from anzhang.permissions import Via

PASSWORD = "Bright-Lamp-47-Harbour"
SECRET = base64.b32encode(b"anzhang test secret!").decode()


def give_password(user: User, password: str = PASSWORD) -> None:
    """Set a user's password as the user would."""
    passwords.change(actor_of_user(user, Via.BROWSER), user, password, clock.now())


def give_totp(user: User) -> str:
    """Enrol an authenticator app; return its secret."""
    Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data={"secret": encrypt(SECRET)})
    return SECRET


def code_of(secret: str, step: int = 0) -> str:
    """Return the RFC 6238 code of now, or of `step` half-minutes from now."""
    digest = hmac.digest(base64.b32decode(secret), struct.pack(">Q", int(time.time()) // 30 + step), "sha1")
    start = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[start : start + 4])[0] & 0x7FFFFFFF) % 1_000_000:06}"


def log_in(client: Client, username: str, password: str = PASSWORD, **extra: str) -> HttpResponse:
    """Post the log-in form."""
    return client.post("/account/login/", {"login": username, "password": password}, **extra)
