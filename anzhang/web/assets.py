"""Static files: the build hook's manifest names them; files of other packages keep their plain name."""

from __future__ import annotations

from django.contrib.staticfiles.storage import ManifestStaticFilesStorage


class PackagedStorage(ManifestStaticFilesStorage):
    """Read hashed names from the manifest in the package; never compute, never write."""

    manifest_strict = False

    def hashed_name(self, name: str, content: object = None, filename: str | None = None) -> str:
        """Return the plain name: what is not in the manifest is served by its finder, unhashed."""
        return name
