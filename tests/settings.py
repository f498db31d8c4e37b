"""Settings of the tests: the package's own, with a cheap password hash and a database per process."""

import os
import tempfile

# Every process of the run has a home of its own: the shared cache of one must not be cleared by another.
os.environ["ANZHANG_HOME"] = tempfile.mkdtemp(prefix="anzhang-tests-")

from anzhang.settings import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
