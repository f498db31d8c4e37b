"""Enter without the log-in page: a session as `anzhang.web.sessions` begins it, its second factor passed."""

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.test import Client

from anzhang import clock
from anzhang.directory.models import User
from anzhang.web import actors, sessions


def session_of(user: User) -> SessionStore:
    """Return a saved session of a user who has just logged in with a second factor."""
    now = clock.now()
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "anzhang.web.adapter.PasswordBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session[sessions.STARTED] = session[sessions.SEEN] = now.timestamp()
    actors.mark_second_factor(session, user, "totp", now)
    session.save()
    return session


def enter(client: Client, user: User) -> Client:
    """Return the client, logged in."""
    client.cookies["anzhang_session"] = session_of(user).session_key
    return client
