"""Settings of the tests: the package's own, with a cheap password hash and a database per process."""

import os
import sys
import tempfile

# Every process of the test run has a home of its own, so that one does not clear the cache of another; a program that a
# test starts keeps the home it was given.
if "pytest" in sys.modules or "ANZHANG_HOME" not in os.environ:
    os.environ["ANZHANG_HOME"] = tempfile.mkdtemp(prefix="anzhang-tests-")

from anzhang.settings import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
