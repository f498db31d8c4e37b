"""`anzhang bundle`: everything a machine without a network needs, in one folder (an air-gapped wheelhouse).

    bundle/
      install.sh            makes a virtual environment and installs from wheels/ only
      requirements.lock     the pinned versions with their hashes
      wheels/               the wheel of anzhang with its page assets, and every dependency
      SHA256SUMS

It is made in a checkout on a machine that reaches a package index, for the same processor and Python version as its own.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]

INSTALL = """\
#!/bin/sh
# Install anzhang from this folder, without a network. Usage: sh install.sh [FOLDER], default /opt/anzhang
set -eu
here=$(cd "$(dirname "$0")" && pwd)
target=${1:-/opt/anzhang}
(cd "$here" && sha256sum --quiet -c SHA256SUMS)
python3.11 -m venv "$target"
pip="$target/bin/python -m pip --disable-pip-version-check -q install --no-index --no-deps"
$pip --require-hashes --find-links "$here/wheels" -r "$here/requirements.lock"
$pip "$here"/wheels/anzhang-*.whl
"$target/bin/anzhang" vault warm
echo "anzhang is installed: $target/bin/anzhang --home /var/lib/anzhang init"
"""


class BundleError(Exception):
    """The bundle cannot be made; the message says why and what to do."""


def make(destination: Path) -> int:
    """Fill `destination`, which must not exist; return how many wheels it holds.

    The folder is made under a temporary name and renamed when whole.
    """
    source = PACKAGE.parent
    lock = source / "requirements.lock"
    if not (source / "pyproject.toml").is_file() or not lock.is_file():
        raise BundleError("a bundle is made in a checkout of the source; this is an installed wheel")
    if destination.exists():
        raise BundleError(f"{destination} exists already; choose another folder")
    building = destination.with_name(destination.name + ".new")
    shutil.rmtree(building, ignore_errors=True)
    wheels = building / "wheels"
    wheels.mkdir(parents=True)
    _pip("download", "--require-hashes", "--no-deps", "--only-binary", ":all:", "-r", str(lock), "-d", str(wheels))
    _pip("wheel", "--no-deps", "--no-build-isolation", "-w", str(wheels), str(source))
    shutil.copyfile(lock, building / "requirements.lock")
    (building / "install.sh").write_text(INSTALL, encoding="utf-8")
    files = sorted(path for path in building.rglob("*") if path.is_file())
    sums = "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(building)}\n" for path in files)
    (building / "SHA256SUMS").write_text(sums, encoding="utf-8")
    building.rename(destination)
    return len(list((destination / "wheels").iterdir()))


def _pip(*arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", *arguments], check=False)
    if done.returncode:
        raise BundleError(f"pip {arguments[0]} ended with {done.returncode}; see above")
