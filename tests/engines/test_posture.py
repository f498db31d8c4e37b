"""Posture reports are read strictly, and what they do not prove is never a pass."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anzhang.engines import posture
from anzhang.engines.posture import Facts, Patch, PostureError, Product, Required, Requirements
from tests.endpoints import reports

AT = datetime(2026, 11, 24, 1, 30, tzinfo=UTC)
DAY = date(2026, 11, 24)
ASKED = Requirements((Required("AV1", reports.ANTIVIRUS, "antivirus", required=True, signatures_on=DAY),), (), timedelta(hours=24), 7, 30)

LYNIS = """\
# Lynis Report
report_version_major=1
lynis_version=3.0.8
report_datetime_start=2026-11-24 09:00:00
report_datetime_end=2026-11-24 09:01:12
os=Linux
os_name=Debian
os_version=12.5
malware_scanner_installed=1
malware_scanner[]=clamav
firewall_active=1
firewall_software[]=nftables
installed_packages_array=openssl,3.0.11|bash,5.2|
vulnerable_package[]=openssl
warning[]=PKGS-7392|Found one or more vulnerable packages.|-|-|
suggestion[]=AUTH-9286|Configure minimum password age|-|-|
"""


def results(*words: str, head: str = "", end: str = "2026-11-24T09:20:00") -> str:
    rules = "".join(f'<rule-result idref="r{n}"><result>{word}</result></rule-result>' for n, word in enumerate(words))
    return f'{head}<TestResult xmlns="http://checklists.nist.gov/xccdf/1.2" end-time="{end}"><target>pc1</target>{rules}</TestResult>'


def opened(content, **more) -> posture.Envelope:
    return posture.open_envelope(reports.envelope("C1", AT, 1, content, **more))


def test_facts_come_back_from_json_as_they_were():
    found = posture.facts(reports.content(DAY, checks={"pass": 3}))
    assert posture.facts(json.loads(json.dumps(found.as_json()))) == found
    assert posture.facts({}) == posture.facts(Facts().as_json()) == Facts()


def test_a_signature_holds_for_one_text_and_one_key():
    envelope = opened(reports.content(DAY))
    envelope.verify(reports.public())
    for wrong in (reports.public(reports.OTHER), "", "AAAA", "中文"):
        with pytest.raises(PostureError, match="signature"):
            envelope.verify(wrong)


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_no_changed_byte_of_a_document_keeps_its_signature(place, flip):
    outer = json.loads(reports.envelope("C1", AT))
    changed = bytearray(outer["document"].encode())
    changed[place % len(changed)] ^= flip
    try:
        envelope = posture.open_envelope(json.dumps({**outer, "document": changed.decode()}).encode())
    except (PostureError, UnicodeDecodeError):
        return
    with pytest.raises(PostureError, match="signature"):
        envelope.verify(reports.public())


@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
)
def test_whatever_json_comes_is_read_or_refused_by_place(content):
    where = "content"
    try:
        posture.facts(content)
    except PostureError as error:
        where = error.where
    assert where.startswith("content")


@pytest.mark.parametrize(
    ("changes", "code", "where"),
    [
        ({"os": {"family": "dos"}}, "word", "content.os.family"),
        ({"products": {}}, "list", "content.products"),
        ({"products": [1]}, "object", "content.products[0]"),
        ({"products": [{"kind": "av"}]}, "word", "content.products[0].kind"),
        ({"products": [{"kind": "antivirus"}]}, "text", "content.products[0].name"),
        ({"products": [{"kind": "antivirus", "name": "x", "state": "on"}]}, "word", "content.products[0].state"),
        ({"products": [{"kind": "antivirus", "name": "x", "signatures_on": "gestern"}]}, "day", "content.products[0].signatures_on"),
        ({"patches": {"installed": "KB1"}}, "list", "content.patches.installed"),
        ({"patches": {"installed": [1]}}, "text", "content.patches.installed"),
        ({"software": [{"name": "x" * 201}]}, "too_long", "content.software[0].name"),
        ({"software": [{"name": "x"}] * 5001}, "too_many", "content.software"),
        ({"checks": {"pass": -1}}, "number", "content.checks"),
    ],
)
def test_what_is_wrong_is_named_by_its_place(changes, code, where):
    with pytest.raises(PostureError) as wrong:
        posture.facts(reports.content(DAY, **changes))
    assert (wrong.value.code, wrong.value.where) == (code, where)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "json"),
        (b"[]", "object"),
        (b'{"document": "{}"}', "text"),
        (b'{"document": "x", "signature": "s"}', "json"),
        (b'{"document": "{\\"version\\": 2}", "signature": "s"}', "version"),
        (b'{"document": "{\\"version\\": 1, \\"sequence\\": 0}", "signature": "s"}', "number"),
        (b'{"document": "{\\"version\\": 1, \\"sequence\\": 1, \\"form\\": \\"x\\"}", "signature": "s"}', "form"),
        (b"x" * (posture.LARGEST + 1), "too_large"),
    ],
)
def test_an_envelope_that_is_none_is_refused(body, code):
    with pytest.raises(PostureError) as wrong:
        posture.open_envelope(body)
    assert wrong.value.code == code


# Lynis and OpenSCAP


def test_a_lynis_report_says_when_it_was_made_and_what_it_found():
    envelope = opened(LYNIS, form="lynis")
    assert envelope.collected_at == datetime(2026, 11, 24, 1, 1, 12, tzinfo=UTC)  # its own end, in Beijing's time
    found = posture.read(envelope)
    assert (found.platform, found.os, found.missing) == ("linux", "Debian 12.5", {"openssl"})
    assert found.software == (("openssl", "3.0.11"), ("bash", "5.2"))
    assert {(p.kind, p.name, p.state) for p in found.products} == {("antivirus", "clamav", "unknown"), ("firewall", "nftables", "running")}
    assert posture.judge(found, ASKED, AT, AT).state != "pass"


@pytest.mark.parametrize("text", ["", "lynis", 3, None, {"a": 1}])
def test_what_is_no_lynis_report_is_refused(text):
    with pytest.raises(PostureError):
        posture.lynis(text)


def test_results_of_openscap_are_counted_by_their_word():
    envelope = opened(results("pass", "fail", "notapplicable", "notapplicable"), form="openscap")
    assert envelope.collected_at == datetime(2026, 11, 24, 1, 20, tzinfo=UTC)
    assert posture.read(envelope).checks == {"pass": 1, "fail": 1, "notapplicable": 2}
    inside = f'<arf xmlns="http://scap.nist.gov/schema/asset-reporting-format/1.1"><report>{results("pass")}</report></arf>'
    assert posture.openscap(inside).checks == {"pass": 1}


@pytest.mark.parametrize("word", sorted(posture.PROVES_NOTHING))
def test_a_result_that_proves_nothing_is_no_pass(word):
    judged = posture.judge(posture.openscap(results(word, word)), ASKED, AT, AT)
    assert judged.state == "unknown"
    assert "posture_proves_nothing" in {reason.code for reason in judged.reasons}


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (results("pass", head=BOMB), "doctype"),
        (results("pass", head='<!DOCTYPE x SYSTEM "file:///etc/passwd">'), "doctype"),
        ("<TestResult", "xml"),
        ("<TestResult/>", "openscap"),
        (7, "text"),
    ],
)
def test_xml_that_declares_a_type_or_is_no_result_is_refused(text, code):
    with pytest.raises(PostureError) as wrong:
        posture.openscap(text)
    assert wrong.value.code == code


# Judging


def test_a_sound_report_passes_for_its_age():
    found = posture.facts(reports.content(DAY))
    assert posture.judge(found, ASKED, AT, AT) == posture.Judged("pass", AT + timedelta(hours=24))
    late = posture.judge(found, ASKED, AT, AT + timedelta(hours=24))
    assert (late.state, [reason.code for reason in late.reasons]) == ("unknown", ["posture_stale"])


def test_without_products_and_without_patches_it_is_unknown_and_with_a_fault_it_fails():
    bare = posture.judge(Facts(), ASKED, AT, AT)
    assert (bare.state, bare.until) == ("unknown", None)
    both = posture.judge(Facts(products=()), ASKED, AT, AT)
    assert (both.state, both.reasons[0].code) == ("fail", "antivirus_missing")


@given(st.sets(st.sampled_from("abcdef")), st.sets(st.sampled_from("abcdef")), st.integers(0, 40))
def test_a_pass_says_to_the_second_until_when(installed, required, days):
    """At `until` the same facts pass no more, and a moment before they do."""
    patches = tuple(Patch(code, "windows", DAY + timedelta(days=days + n)) for n, code in enumerate(sorted(required)))
    asked = Requirements(ASKED.products, patches, timedelta(days=20), 7, 30)
    found = Facts("windows", "", (Product("antivirus", reports.ANTIVIRUS, "1", "running", DAY),), frozenset(installed))
    judged = posture.judge(found, asked, AT, AT)
    assert judged.state == "pass"
    assert posture.judge(found, asked, AT, judged.until - timedelta(seconds=1)).state == "pass"
    assert posture.judge(found, asked, AT, judged.until).state != "pass"


@pytest.mark.parametrize(("older", "newer"), [("1.9", "1.10"), ("", "1"), ("6.0.2", "6.0.2.1"), ("10.0.19044", "10.0.19045"), ("v3", "V4")])
def test_versions_are_compared_by_their_numbers(older, newer):
    assert posture.is_older(older, newer)
    assert not posture.is_older(newer, older)


def test_equal_versions_are_none_older():
    assert not posture.is_older("6.0", "6.0.0")
