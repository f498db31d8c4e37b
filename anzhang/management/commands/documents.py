"""`anzhang documents DIR`: write our Word templates of the printed forms, to be changed and put into the data directory."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings

from anzhang.casework.documents import Kind
from anzhang.engines.printing import word
from anzhang.management import BadInputError, Verb


class Command(Verb):
    """Write one template per form; never over a file that is there."""

    help = "write the Word templates of printed forms into a folder"
    reads = True

    def arguments(self, parser: ArgumentParser) -> None:
        """Take the folder."""
        parser.add_argument("folder", type=Path, metavar="DIR")

    def run(self, **options: Any) -> None:
        """Write them."""
        folder: Path = options["folder"]
        files = [folder / f"{kind.value}.docx" for kind in Kind]
        there = [str(file) for file in files if file.exists()]
        if there:
            raise BadInputError(f"{', '.join(there)}: exists; choose another folder")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for file in files:
                file.write_bytes(word.blank())
        except OSError as error:
            raise BadInputError(f"{folder}: {error.strerror}") from error
        if options["as_json"]:
            self.print_json({"templates": [str(file) for file in files]})
        else:
            self.stdout.write("\n".join([*map(str, files), f"改好后放入 {settings.HOME.templates}，即代替内置模板。"]))
