"""`anzhang project`: ask the gate whether a construction project may enter its next stage."""

from argparse import ArgumentParser
from typing import Any

from anzhang import clock
from anzhang.management import BadInputError, FailedError, Verb


class Command(Verb):
    """One sub-verb: check. It exits 1 when the gate refuses, 2 when it cannot be asked."""

    help = "ask whether a construction project may enter its next stage now"

    def arguments(self, parser: ArgumentParser) -> None:
        """Declare the sub-verb."""
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="check")
        check = verbs.add_parser("check", help="exit 0 when it may, 1 with what is missing when it may not")
        check.add_argument("code", metavar="CODE", help="of the project")
        check.add_argument("--stage", default="", metavar="STAGE", help="instead of the next one")
        check.add_argument("--json", action="store_true", dest="as_json", help="print JSON")

    def run(self, **options: Any) -> None:
        """Ask, and say what is missing."""
        from anzhang.organization.tables import Project
        from anzhang.systems import on_file, project_gate

        project = Project.objects.select_related("unit", "person").filter(code=options["code"]).first()
        if project is None:
            raise BadInputError(f"no project {options['code']!r}")
        stage = options["stage"] or project.next_stage or project.stage
        if stage not in Project.Stage.values:
            raise BadInputError(f"no stage {stage!r}; there are: {', '.join(Project.Stage.values)}")
        at = clock.now()
        refusal = project_gate.project_approval(project, stage, at)
        lacks = list(project_gate.missing(on_file.of([project])[project.pk], stage, at)) if refusal else []
        told = [refusal] if refusal is not None and all(each.code != refusal.code for each in lacks) else lacks
        if options["as_json"]:
            missing = [{"code": each.code, "message": each.message, "remedy": each.remedy} for each in told]
            way = f"/cases/new/{project_gate.ROUTE}/?project={project.code}" if refusal else None
            self.print_json({"allowed": refusal is None, "project": project.code, "stage": stage, "missing": missing, "apply": way})
        elif refusal is None:
            self.stdout.write(f"{project.name}：可以进入“{Project.Stage(stage).label}”")
        if refusal is not None:
            raise FailedError("; ".join(f"{each.code}: {each.message} {each.remedy}".strip() for each in told))
