"""Units, people, posts and terms: who may change them, and what stays believed about the past."""

from datetime import timedelta

import pytest

from anzhang import clock as wall
from anzhang.demo.bureau import SETUP
from anzhang.directory import procedures, queries, rows
from anzhang.directory.models import Assignment, LeadingGroupMember, Person, Unit
from anzhang.journal.models import Entry
from anzhang.journal.procedures import row_digest
from anzhang.permissions import RefusedError


def refused(call, *given, **named):
    with pytest.raises(RefusedError) as refusal:
        call(*given, **named)
    return refusal.value.code


def last_entry(row):
    kind = {"LeadingGroupMember": "leading_group_member"}.get(type(row).__name__, type(row).__name__.lower())
    return Entry.objects.filter(object_type=kind, object_key=str(row.pk)).order_by("-index").first()


def test_a_units_path_follows_from_its_parent(bureau, clock):
    unit = procedures.register_unit(
        SETUP, at=clock.now, code="NEW", name="新单位", kind="subordinate_unit", parent=bureau.unit["IC"], established_on=clock.now.date()
    )
    assert unit.path == "/HRSS/IC/NEW/"
    assert last_entry(unit).after == row_digest(unit)


def test_moving_a_unit_moves_everything_below_it(bureau, clock):
    below = procedures.register_unit(
        SETUP, at=clock.now, code="NEW", name="新单位", kind="subordinate_unit", parent=bureau.unit["IC"], established_on=clock.now.date()
    )
    procedures.change_unit(SETUP, bureau.unit["IC"], at=clock.now, parent=bureau.unit["JYC"])
    below.refresh_from_db()
    assert below.path == "/HRSS/JYC/IC/NEW/"
    assert last_entry(below).after == row_digest(below)


def test_a_unit_does_not_move_below_itself(bureau, clock):
    assert refused(procedures.change_unit, SETUP, bureau.unit["HRSS"], at=clock.now, parent=bureau.unit["IC"]) == "own_ancestor"
    assert refused(procedures.change_unit, SETUP, bureau.unit["IC"], at=clock.now, parent=bureau.unit["IC"]) == "own_ancestor"


def test_a_units_code_stays(bureau, clock):
    assert refused(procedures.change_unit, SETUP, bureau.unit["IC"], at=clock.now, code="XX") == "code_fixed"


def test_a_unit_with_people_is_not_closed(bureau, clock):
    today = wall.day_of(clock.now)
    assert refused(procedures.change_unit, SETUP, bureau.unit["IC"], at=clock.now, closed_on=today) == "unit_in_use"


def test_a_wrong_column_is_named(bureau, clock):
    with pytest.raises(rows.RowError) as refusal:
        procedures.register_person(SETUP, at=clock.now, code="P022", name="", unit=bureau.unit["JYC"], joined_on=clock.now.date())
    assert set(refusal.value.faults) == {"code", "name"}


def test_the_second_of_two_editors_gets_both_versions(bureau, clock):
    person = bureau.person["P022"]
    procedures.change_person(SETUP, person, at=clock.now, expected_version=1, phone="1")
    with pytest.raises(rows.StaleError) as refusal:
        procedures.change_person(SETUP, person, at=clock.now, expected_version=1, phone="2")
    assert (refusal.value.code, refusal.value.read, refusal.value.theirs.version, refusal.value.theirs.phone) == ("stale", 1, 2, "1")
    assert Person.objects.get(code="P022").phone == "1"


def test_a_change_without_difference_writes_nothing(bureau, clock):
    entries = Entry.objects.count()
    person = procedures.change_person(SETUP, bureau.person["P022"], at=clock.now, post="业务岗")
    assert (person.version, Entry.objects.count()) == (1, entries)


def test_leaving_ends_posts_and_terms_as_of_the_day(bureau, clock):
    day = wall.day_of(clock.now)
    member = bureau.person["P001"]
    procedures.change_person(SETUP, member, at=clock.now, left_on=day)
    assert not queries.heads(bureau.unit["HRSS"], clock.now).exists()
    post = Assignment.objects.get(person=member, superseded_at=None)
    term = LeadingGroupMember.objects.get(person=member, superseded_at=None)
    assert post.valid_to == term.valid_to == wall.start_of(day)
    assert last_entry(term).after == row_digest(term)


def test_what_was_believed_before_a_backdated_end_stays_known(bureau, clock):
    head, day = bureau.person["P020"], wall.day_of(clock.now) - timedelta(days=10)
    believed = Assignment.objects.get(person=head)
    procedures.change_person(SETUP, head, at=clock.advance(days=1), left_on=day)
    now, past = Assignment.objects.get(pk=believed.pk), Assignment.objects.get(person=head, superseded_at=clock.now)
    assert (now.valid_to, now.superseded_at, now.recorded_at) == (wall.start_of(day), None, clock.now)
    assert (past.valid_to, past.valid_from, past.recorded_at) == (None, believed.valid_from, believed.recorded_at)
    for row in (now, past):
        assert last_entry(row).after == row_digest(row)


def test_a_post_needs_an_approval(bureau, acting, clock):
    given = {
        "person": bureau.person["P021"],
        "duty": "dba",
        "unit": bureau.unit["JYC"],
        "basis": None,
        "valid_from": clock.now,
        "at": clock.now,
    }
    for actor in (acting("liuyang"), acting("guolei")):
        assert refused(procedures.start_assignment, actor, **given) == "no_approval"
    assert procedures.start_assignment(SETUP, **given).person.name == "孙丽"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"duty": "operator", "person": "P022"}, "already_assigned"),
        ({"duty": "system_manager"}, "system_needed"),
        ({"valid_to": timedelta(0)}, "ends_before_start"),
        ({"duty": "king"}, "invalid"),
    ],
)
def test_a_wrong_post_is_refused(change, code, bureau, clock):
    given = {"person": "P021", "duty": "dba", "unit": bureau.unit["JYC"], "basis": None, "valid_from": clock.now, "at": clock.now, **change}
    given["person"] = bureau.person[given["person"]]
    if "valid_to" in given:
        given["valid_to"] = clock.now + given["valid_to"]
    assert refused(procedures.start_assignment, SETUP, **given) == code


def test_nobody_who_left_gets_a_post(bureau, clock):
    person = procedures.change_person(SETUP, bureau.person["P021"], at=clock.now, left_on=wall.day_of(clock.now))
    given = {"person": person, "duty": "dba", "unit": bureau.unit["JYC"], "basis": None, "valid_from": clock.now, "at": clock.now}
    assert refused(procedures.start_assignment, SETUP, **given) == "not_employed"


@pytest.mark.parametrize("username", ["liuyang", "gaojianguo", "wujie"])
def test_the_head_the_head_above_and_the_office_end_a_post(username, bureau, acting, clock):
    post = Assignment.objects.get(person=bureau.person["P022"])
    assert procedures.end_assignment(acting(username), post, clock.now, clock.now).valid_to == clock.now


@pytest.mark.parametrize("username", ["zhanghua", "sunli", "zhouwei", "guolei", "chenjing"])
def test_nobody_else_ends_a_post(username, bureau, acting, clock):
    post = Assignment.objects.get(person=bureau.person["P022"])
    assert refused(procedures.end_assignment, acting(username), post, clock.now, clock.now) == "not_answerable"


def test_a_post_ends_once(bureau, acting, clock):
    post = procedures.end_assignment(acting("liuyang"), Assignment.objects.get(person=bureau.person["P022"]), clock.now, clock.now)
    assert refused(procedures.end_assignment, acting("liuyang"), post, clock.advance(days=1), clock.now) == "post_ended"


def test_a_new_seat_ends_the_seat_before(bureau, clock):
    given = {"person": bureau.person["P003"], "basis": None, "valid_from": clock.now, "at": clock.now}
    procedures.seat_leading_group_member(SETUP, role="deputy", **given)
    seats = LeadingGroupMember.objects.filter(person=bureau.person["P003"], superseded_at=None).order_by("valid_from")
    assert [(seat.role, seat.valid_to) for seat in seats] == [("member", clock.now), ("deputy", None)]
    assert refused(procedures.seat_leading_group_member, SETUP, role="deputy", **given) == "already_seated"
    assert refused(procedures.seat_leading_group_member, SETUP, role="chair", **given) == "chair_taken"


def test_a_term_ends_by_its_date(bureau, clock):
    ends = clock.now + timedelta(days=30)
    given = {"person": bureau.person["P010"], "role": "member", "basis": None, "valid_from": clock.now, "valid_to": ends, "at": clock.now}
    procedures.seat_leading_group_member(SETUP, **given)
    assert queries.group_members(ends - timedelta(seconds=1)).filter(code="P010").exists()
    assert not queries.group_members(ends).filter(code="P010").exists()


def test_who_is_not_seated_cannot_leave(bureau, clock):
    given = {"person": bureau.person["P010"], "basis": None, "ends": clock.now, "at": clock.now}
    assert refused(procedures.unseat_leading_group_member, SETUP, **given) == "not_seated"


def test_the_day_of_leaving_is_the_first_day_out(bureau, clock):
    day = wall.day_of(clock.now)
    person = procedures.change_person(SETUP, bureau.person["P022"], at=clock.now, left_on=day + timedelta(days=1))
    assert queries.is_employed(person, clock.now)
    assert not queries.is_employed(person, clock.advance(days=1))
    assert not queries.staff(bureau.unit["JYC"], clock.now).filter(pk=person.pk).exists()


def test_a_unit_is_registered_under_a_free_code(bureau, clock):
    assert (
        refused(
            procedures.register_unit,
            SETUP,
            at=clock.now,
            code="IC",
            name="又一个",
            kind="subordinate_unit",
            established_on=clock.now.date(),
        )
        == "invalid"
    )
    assert Unit.objects.filter(code="IC").count() == 1
