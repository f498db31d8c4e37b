"""`anzhang init`: make a new installation."""

import subprocess
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings

from anzhang import clock
from anzhang.casework.routes import RouteError
from anzhang.casework.routes import load as load_routes
from anzhang.management import BadInputError, FailedError, Verb
from anzhang.operate import listen
from anzhang.operate.initialize import NotEmptyError, Ports, make_directory
from anzhang.regulation import catalog as catalogs
from anzhang.regulation.reading import CatalogError


class Command(Verb):
    """Make the data directory, the keys, the database and the administrators' links."""

    help = "make a new installation in --home"

    def arguments(self, parser: ArgumentParser) -> None:
        """Take the bureau's name; `--stage` is how the second process of the same verb is told apart."""
        parser.add_argument("--name", default="天津市人力资源和社会保障局", help="name of the bureau")
        parser.add_argument("--catalog", default=catalogs.DEFAULT, metavar="NAME|DIR", help="the regulation (default %(default)s)")
        parser.add_argument("--stage", choices=["directory", "database"], default="directory", help="internal")

    def run(self, **options: Any) -> None:
        """Make the directory here, the rest in a process that reads it."""
        if options["stage"] == "database":
            self.database()
            return
        home = settings.HOME
        ports = Ports(*listen.free_ports(8600, 5514, 8601))
        try:
            make_directory(home, name=options["name"], demo=False, ports=ports, catalog=self.catalog(options["catalog"]))
        except (NotEmptyError, OSError, CatalogError, RouteError) as error:
            raise BadInputError(str(error)) from error
        done = subprocess.run([sys.executable, "-m", "anzhang", "--home", str(home.path), "init", "--stage", "database"], check=False)
        if done.returncode:
            raise FailedError(f"the database of {home.path} was not made; see above, remove the folder and try again")
        # Last, so that whoever has read the links waits for nothing: a first seal must not compile what it runs.
        self.stdout.write("正在编译日志解析程序（只此一次，可能要一分钟）…")
        self.stdout.flush()
        subprocess.run([sys.executable, "-m", "anzhang", "--home", str(home.path), "vault", "warm"], check=False)

    def catalog(self, which: str) -> str:
        """Return a catalog as the settings file names it, once it has been read whole. Raises CatalogError, RouteError."""
        folder = catalogs.folder(which, Path.cwd())
        catalogs.load(folder)
        load_routes(folder / "routes.toml")
        return which if folder.parent == catalogs.CATALOGS else str(folder.resolve())

    def database(self) -> None:
        """Fill the database and print the links."""
        from anzhang.directory import tickets
        from anzhang.operate import database

        home = settings.HOME
        database.create(home)
        links = database.found(tickets.cli_actor("init"), home, clock.now())
        place = listen.web(home)
        self.stdout.write(f"安章已在 {home.path} 建立。三位管理员的一次性链接（30 分钟内有效，各用一次）：")
        for who, link in links:
            self.stdout.write(f"  {who}: http://{place}{link}")
        self.stdout.write(f"启动：anzhang --home {home.path} up")
