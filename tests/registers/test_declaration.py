"""What a declaration promises."""

import dataclasses
import tomllib
from pathlib import Path

import pytest

import anzhang
from anzhang.registers.declaration import REGISTERS, DeclarationError, Kind, declare
from anzhang.regulation.checks import PROCEDURES

VOCABULARY = Path(anzhang.__file__).parent / "regulation/catalogs/tianjin-hrss/vocabulary.toml"
# not of the text, or of its chapter `regulation` that casework keeps
HOUSE = {
    "business_exception": "endpoints",
    "check_run": "systems",
    "developer_exception": "systems",
    "go_live": "systems",
    "legal_hold": "monitoring",
    "log_redaction": "monitoring",
    "holiday": "casework",
    "interpretation": "casework",
    "legal_basis": "casework",
    "rule_version": "casework",
    "project_checklist": "organization",
    "unit_route": "casework",
}


@pytest.mark.parametrize("register_id", REGISTERS)
def test_it_stands_in_the_chapter_of_the_vocabulary(register_id):
    known = tomllib.loads(VOCABULARY.read_text(encoding="utf-8"))["register"]
    assert REGISTERS[register_id].chapter == (HOUSE.get(register_id) or known[register_id]["chapter"])


@pytest.mark.parametrize("register_id", [r.id for r in REGISTERS.values() if r.kind is Kind.PLAIN])
def test_its_procedures_exist(register_id):
    register = REGISTERS[register_id]
    assert register.create in PROCEDURES
    assert not register.change or register.change in PROCEDURES


@pytest.mark.parametrize(
    "change", [{"id": "people"}, {"columns": ("nothing",)}, {"kind": Kind.DECISION}, {"key": ()}, {"scope": ("unit__way",)}]
)
def test_a_wrong_declaration_is_refused_by_name(change):
    wrong = dataclasses.replace(REGISTERS["person"], **change)
    with pytest.raises(DeclarationError, match=wrong.id):
        declare(wrong)


def test_a_fifth_filter_is_refused():
    person = REGISTERS["person"]
    with pytest.raises(DeclarationError, match="filters"):
        declare(dataclasses.replace(person, filters=person.filters + person.filters))
