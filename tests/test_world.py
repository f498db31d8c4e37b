from anzhang.organization.models import Officer


def test_it_has_one_officer_and_a_unit_without(bureau):
    assert [officer.person.name for officer in Officer.objects.filter(unit=bureau.unit["IC"])] == ["李明"]
    assert not Officer.objects.filter(unit=bureau.unit["JYC"]).exists()
