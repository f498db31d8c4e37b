"""Art. 14: an account is used only by its owner (A14.2): not from two places at once, not on another's computer, not after leaving."""

from __future__ import annotations

import itertools
from datetime import UTC, timedelta

import pytest

from anzhang.engines.vault import Batch
from anzhang.network import procedures as network
from tests.articles.stories import measure, opened, state, verdict
from tests.endpoints.conftest import endpoint, product, report, zones

__all__ = ["endpoint", "product", "report", "zones"]  # fixtures
pytestmark = pytest.mark.usefixtures("bureau")
LENT = "A14.2"
ONE, OTHER = "10.20.1.1", "10.20.1.2"
SOURCE = "SSH-SB01"


@pytest.fixture
def told(vault, clock):
    """Return what seals sessions, each (place, hours ago it began, minutes it took or None), and measures."""
    pids = itertools.count(100)

    def seal(*sessions, account="liming", host="sbapp01"):
        lines = []
        for place, ago, minutes in sessions:
            pid, begun = next(pids), clock.now - timedelta(hours=ago)
            lines.append((begun, pid, f"Accepted password for {account} from {place} port 5 ssh2"))
            if minutes is not None:
                ended = begun + timedelta(minutes=minutes)
                lines.append((ended, pid, f"pam_unix(sshd:session): session closed for user {account}"))
        data = "".join(f"<38>1 {at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ} {host} sshd {pid} - - {text}\n" for at, pid, text in sorted(lines))
        with vault.writer() as writer:
            writer.append(Batch(SOURCE, data.encode(), clock.now))
            writer.seal(clock.now)
        clock.advance(minutes=1)
        measure(clock, LENT, vault=vault)
        return {finding.subject: finding.reason["code"] for finding in opened(LENT)}

    return seal


RED = {"account:SB01/liming": "account_in_two_places"}


def test_two_places_at_once_are_found_with_their_lines_and_over_after_a_week(told, clock):
    assert told((ONE, 3, 60), (OTHER, 2.5, 60)) == RED
    (finding,) = opened(LENT, "IC")
    assert (finding.person.code, finding.reason["params"]["minutes"], len(finding.evidence)) == ("P011", 30, 2)
    assert {finding.reason["params"]["one"], finding.reason["params"]["other"]} == {ONE, OTHER}
    clock.advance(days=7, hours=3)
    assert told((ONE, 1, 30)) == {}
    assert state(LENT, "IC") in {"met", "unknown"}


@pytest.mark.parametrize(
    "sessions",
    [
        ((ONE, 3, 60), (OTHER, 2, 60)),
        ((ONE, 3, 60), (OTHER, 2 + 1 / 6, 60)),
        ((ONE, 3, 60), (ONE, 2.5, 60)),
        ((ONE, 3, None), (OTHER, 2.9, 60)),
        ((ONE, 3, 5), (OTHER, 3, 5)),
    ],
    ids=["one after the other", "ten minutes exactly", "one place twice", "without an end", "both short"],
)
def test_what_is_no_overlap_is_silent(sessions, told):
    assert told(*sessions) == {}


def test_a_second_more_than_allowed_is_found(told):
    assert told((ONE, 3, 60), (OTHER, 2 + 601 / 3600, 60)) == RED


def test_short_sessions_that_meet_are_one_stay(told):
    assert told(*((ONE, 3 - k / 6, 11) for k in range(6)), (OTHER, 2.8, 40)) == RED


def test_the_jump_host_is_no_place(told, acting, bureau, clock, zones):
    device = network.register_device(
        acting("liming"), at=clock.now, code="J1", name="跳板机", kind="jump_host", unit=bureau.unit["IC"], zone=zones["YW"]
    )
    network.register_interface(acting("liming"), at=clock.now, device=device, name="eth0", mac="", addresses=[OTHER])
    assert told((ONE, 3, 60), (OTHER, 2.5, 60)) == {}


def test_two_people_are_not_one_and_two_systems_are_not_one_account(told):
    assert told((ONE, 3, 60)) == {}
    assert told((OTHER, 2.5, 60), account="wangfang") == {}


def test_a_session_that_comes_late_and_its_end_later_still_are_found(told, clock):
    assert told((ONE, 3, 60)) == {}
    clock.advance(days=1)
    assert told((OTHER, 26.5, None)) == {}
    assert told((OTHER, 26.5, 60)) == RED


def test_across_midnight_it_is_one_session(told, clock):
    clock.now = clock.now.replace(hour=16, minute=30)  # half past midnight in Beijing
    assert told((ONE, 1, 50), (OTHER, 0.8, 45)) == RED


def test_on_a_computer_of_somebody_else_it_is_found(endpoint, told):
    endpoint(hosts=["CK01"])
    assert told((ONE, 2, 5), host="ck01") == {"account:SB01/liming": "account_on_others_endpoint"}
    (finding,) = opened(LENT)
    assert (finding.reason["params"]["endpoint"], finding.person.code) == ("窗口C1", "P011")


def test_on_ones_own_computer_it_is_not(endpoint, told, bureau):
    endpoint(hosts=["CK01"], person=bureau.person["P011"], unit=bureau.unit["IC"])
    assert told((ONE, 2, 5), host="ck01") == {}


def test_after_its_person_left_it_is_found(told, bureau, clock):
    person = bureau.person["P011"]
    type(person).objects.filter(pk=person.pk).update(left_on=(clock.now - timedelta(days=1)).date())
    assert told((ONE, 2, 5)) == {"account:SB01/liming": "account_used_after_leaving"}


def test_systems_without_sessions_are_unknown(told, vault, clock):
    measure(clock, LENT, vault=vault)
    assert (state(LENT, "IC"), verdict(LENT, "IC").why["code"]) == ("unknown", "accounts_unwatched")
    assert told((ONE, 2, 5)) == {}
    assert state(LENT, "IC") == "met"
    assert state(LENT, "JYC") == "unknown"
