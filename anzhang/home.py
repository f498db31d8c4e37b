"""The data directory of one installation: where everything that must survive lives.

Layout (0700): `anzhang.toml` (the one settings file), `db.sqlite3`, `keys/` (0600), `vault/`,
`attachments/`, `fonts/` and `templates/` (the bureau's own, for printed forms; may be absent), `run/` (pid files), `log/` (the
platform's own lines), `clock.json` (demo only). The directory is named by the
environment variable ANZHANG_HOME; without it `var/anzhang` under the working directory.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any


class HomeError(Exception):
    """The data directory or its settings file is unusable; the message says which key and why."""


@dataclass(frozen=True)
class Home:
    """Paths and settings of one data directory. Reading it never creates anything."""

    path: Path
    environ: dict[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def current(cls) -> Home:
        """Return the home that the environment names."""
        return cls(cls.place(), dict(os.environ))

    @staticmethod
    def place() -> Path:
        """Return where that home is."""
        return Path(os.environ.get("ANZHANG_HOME", "var/anzhang")).resolve()

    @property
    def exists(self) -> bool:
        """Whether `anzhang init` has been here."""
        return self.settings_file.is_file()

    @property
    def settings_file(self) -> Path:
        """Return the path of `anzhang.toml`."""
        return self.path / "anzhang.toml"

    @cached_property
    def settings(self) -> dict[str, Any]:
        """Return the parsed settings file, empty before `anzhang init`.

        Raises HomeError naming file and line when it is not TOML.
        """
        if not self.settings_file.is_file():
            return {}
        try:
            return tomllib.loads(self.settings_file.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            msg = f"{self.settings_file}: {error}"
            raise HomeError(msg) from error

    def get(self, section: str, key: str, default: Any) -> Any:
        """Return one setting. Raises HomeError when its type differs from the default's."""
        table = self.settings.get(section, {})
        if not isinstance(table, dict):
            msg = f"{self.settings_file}: [{section}] must be a table"
            raise HomeError(msg)
        value = table.get(key, default)
        if default is not None and not isinstance(value, type(default)):
            msg = f"{self.settings_file}: {section}.{key} must be {type(default).__name__}, not {type(value).__name__}"
            raise HomeError(msg)
        return value

    @property
    def is_demo(self) -> bool:
        """Whether this directory was made by `anzhang demo`."""
        return bool(self.get("bureau", "demo", default=False))

    @property
    def database_url(self) -> str:
        """Return the database address: ANZHANG_DATABASE_URL, else the settings, else the embedded SQLite file."""
        given = self.environ.get("ANZHANG_DATABASE_URL") or self.get("database", "url", "")
        return given or f"sqlite:///{self.path / 'db.sqlite3'}"

    @property
    def keys(self) -> Path:
        """Return the folder of secret and signing keys."""
        return self.path / "keys"

    @property
    def vault(self) -> Path:
        """Return the root of the log vault."""
        return self.path / "vault"

    @property
    def attachments(self) -> Path:
        """Return the folder of uploaded files, outside anything served statically."""
        return self.path / "attachments"

    @property
    def fonts(self) -> Path:
        """Return the folder of the bureau's own typefaces for printed forms; it may be absent."""
        return self.path / "fonts"

    @property
    def templates(self) -> Path:
        """Return the folder of the bureau's own Word templates; it may be absent."""
        return self.path / "templates"

    @property
    def run(self) -> Path:
        """Return the folder of pid files and sockets."""
        return self.path / "run"

    @property
    def log(self) -> Path:
        """Return the folder of the platform's own log, which its collector tails."""
        return self.path / "log"
