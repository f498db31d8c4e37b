"""A text aligned with digests: every way in which it can differ is named by article and sentence."""

from pathlib import Path

import pytest

from anzhang.regulation import catalog
from anzhang.regulation.alignment import align
from anzhang.regulation.sentences import digest, number, split

HERE = Path(__file__).parent
TEXT = (HERE / "small.txt").read_text(encoding="utf-8")
EXPECTED = catalog.load(HERE / "small").sentences


def differences(text: str) -> list[tuple]:
    return [(str(d.kind), d.article, d.sentence, d.found_at) for d in align(EXPECTED, split(text)).differences]


def changed(old: str, new: str) -> str:
    assert old in TEXT
    return TEXT.replace(old, new, 1)


def test_the_text_aligns_throughout():
    found = align(EXPECTED, split(TEXT))
    assert (found.is_complete, len(found.aligned), found.ends_early) == (True, 9, False)


@pytest.mark.parametrize(
    "text",
    [
        TEXT.replace("\n", "\r\n"),
        TEXT.replace("\n", "\n\n \u3000\n"),
        "\ufeff" + TEXT,
        TEXT.replace("，", ","),
        TEXT.replace("；", ";"),
        TEXT.replace("第1条", "第一条").replace("第5条", "　第 ５ 条："),
        TEXT.replace("三十天", "三 十\u200b天"),
        TEXT.rstrip().rstrip("。"),
    ],
    ids=["crlf", "blank lines", "mark", "comma", "semicolon", "numerals", "spaces", "last full stop"],
)
def test_the_form_of_the_text_does_not_matter(text):
    assert differences(text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (changed("三十天", "四十天"), [("altered", 3, 1, None)]),
        (changed("逾期的，先还旧书再借新书；", ""), [("missing", 3, 2, None)]),
        (changed("还不上的照价赔。", "还不上的照价赔。小孩不赔。"), [("extra", 3, 4, None)]),
        (changed("登记过的书当月修补。", "登记过的书当"), [("truncated", 4, 2, None)]),
        (changed("第4条   书页破损由馆员登记。登记过的书当月修补。\n", ""), [("missing", 4, 1, None), ("missing", 4, 2, None)]),
        (changed("第5条", "第7条"), [("missing", 5, 1, None), ("extra", 7, 1, None)]),
        (changed("书页破损由馆员登记。登记过的书当月修补。", "登记过的书当月修补。书页破损由馆员登记。"), [("reordered", 4, 2, (4, 1))]),
        (changed("到期归还。", "到期归还。书页破损由馆员登记。"), [("extra", 3, 2, None)]),
    ],
    ids=["altered", "missing", "extra", "truncated", "article gone", "renumbered", "reordered", "copied"],
)
def test_a_difference_is_named_by_article_and_sentence(text, expected):
    assert differences(text) == expected


def test_a_sentence_moved_to_another_article_is_named_with_its_place():
    text = changed("登记过的书当月修补。", "").replace("到期归还。", "到期归还。登记过的书当月修补。")
    assert differences(text) == [("reordered", 4, 2, (3, 2))]


def test_articles_in_another_order_are_named():
    four, five = TEXT.index("第4条"), TEXT.index("第5条")
    text = TEXT[:four] + TEXT[five:] + "\n" + TEXT[four:five]
    assert differences(text) in ([("reordered", 4, None, None)], [("reordered", 5, None, None)])


@pytest.mark.parametrize("end", range(20, len(TEXT), 7))
def test_a_text_cut_anywhere_is_never_taken_for_whole(end):
    found = align(EXPECTED, split(TEXT[:end]))
    whole = TEXT[:end].rstrip() in {TEXT.rstrip(), TEXT.rstrip()[:-1]}
    assert found.is_complete is whole
    assert found.ends_early is not whole


@pytest.mark.parametrize("place", range(len(TEXT)))
def test_any_changed_character_of_a_sentence_is_noticed(place):
    if TEXT[place] in "\n 　" or place < TEXT.index("第1条") or any(h <= place < h + 9 for h in (TEXT.index("第二章"),)):
        return
    assert align(EXPECTED, split(TEXT[:place] + "某" + TEXT[place + 1 :])).is_complete is False


NUMERALS = {"36": 36, "３６": 36, "三十六": 36, "十": 10, "二十": 20, "一百零五": 105, "〇": 0}


@pytest.mark.parametrize(("numeral", "value"), NUMERALS.items())
def test_numerals_are_read(numeral, value):
    assert number(numeral) == value


def test_quotes_of_both_kinds_are_one():
    assert digest("称为“单位”。") == digest('称为"单位"')
