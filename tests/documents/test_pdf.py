"""The press that sets a sheet as PDF/A: nothing is clipped, lost or obeyed, and the layout is the standard's."""

import io
import json

import pikepdf
import pypdfium2
import pytest
import zxingcpp

from anzhang.engines.printing import fonts, pdf
from anzhang.engines.printing.sheet import Pair, Proof
from tests.documents.sheets import AT, EVIL, pages, sheet, signed, squeezed, stage

MM = 72 / 25.4


@pytest.fixture
def render(tmp_path):
    return lambda made, **keys: pdf.render(made, fonts=tmp_path, at=AT, **keys)


def dictionaries(file):
    return [each for each in file.objects if isinstance(each, pikepdf.Dictionary)]


def test_no_text_is_read_as_markup(render):
    body = render(
        sheet(
            organization=EVIL, title=EVIL, number=Pair(EVIL, EVIL), pairs=(Pair(EVIL, EVIL),), texts=(Pair(EVIL, EVIL),),
            stages=(stage(EVIL, signed(EVIL, EVIL), waiting=EVIL),), result=(Pair(EVIL, EVIL),), printed=EVIL, mark=EVIL,
        )
    )  # fmt: skip
    text = squeezed(body)
    evil = "".join(EVIL.split())
    assert text.count(evil) >= 14
    assert "49" not in text


def test_a_full_page_has_22_lines_of_28_characters(render):
    body = render(sheet(texts=(Pair("说明", "测试文字" * 500),), stages=()))
    lines = [line for line in pages(body)[1].splitlines() if "测试" in line]
    assert len(lines) == 22
    assert {len(line.strip()) for line in lines} == {28}


def test_the_margins_are_those_of_the_standard(render):
    document = pypdfium2.PdfDocument(render(sheet(texts=(Pair("说明", "测试文字" * 500),), stages=())))
    assert document[0].get_size() == pytest.approx((210 * MM, 297 * MM), abs=0.1)
    for number, left in ((1, 26), (2, 28)):  # the binding edge is inside: right on an even page
        text = document[number].get_textpage()
        boxes = [text.get_charbox(index, loose=True) for index in range(text.count_chars()) if text.get_text_range(index, 1) in "测试文字"]
        assert min(box[0] for box in boxes) == pytest.approx(left * MM, abs=1)
        assert max(box[2] for box in boxes) <= (left + 156) * MM + 1
        assert min(box[1] for box in boxes) >= 35 * MM - 5
        assert max(box[3] for box in boxes) <= (297 - 37) * MM + 5


def test_page_numbers_stand_outside_between_dashes(render):
    document = pypdfium2.PdfDocument(render(sheet(texts=(Pair("说明", "测试文字" * 500),))))
    for index, right in ((0, True), (1, False)):
        text = document[index].get_textpage()
        number = text.get_text_bounded(0, 0, 595, 35 * MM).strip()
        assert number == f"— {index + 1} —"
        where = text.search(number)
        position, _count = where.get_next()
        assert (text.get_charbox(position)[0] > 297) is right


def test_thirty_signers_with_long_names_and_opinions_break_over_pages(render):
    name = "阿卜杜热合曼买买提吐尔逊江奥斯曼阿不力孜"
    assert len(name) == 20
    long = "意见" + "请按程序办理并及时备案，" * 80 + "完"
    acts = [signed(f"{name}", f"第{n}位{long}") for n in range(30)]
    body = render(sheet(stages=(stage("1. 领导小组表决", *acts),)))
    text = squeezed(body)
    assert text.count(name) == 30
    for n in range(30):
        assert f"第{n}位意见" in text
    assert text.count("办理，完") + text.count("备案，完") == 30
    assert all("办理人" in page for page in pages(body)[1:-1])  # the heading row is repeated


def test_a_word_without_spaces_stays_inside_the_page(render):
    document = pypdfium2.PdfDocument(
        render(sheet(pairs=(Pair("地址", "x" * 400),), texts=(Pair("说明", "y" * 400),), stages=(stage("1", signed("z" * 60, "w" * 300)),)))
    )
    for page in document:
        text = page.get_textpage()
        assert max(text.get_charbox(index)[2] for index in range(text.count_chars())) <= 184 * MM + 1


def test_a_character_that_no_font_holds_keeps_its_number(render):
    text = squeezed(render(sheet(pairs=(Pair("姓名", "王\U000323af\U0001faf6"),))))
    assert "王〓[U+323AF]〓[U+1FAF6]" in text


def test_invisible_and_control_characters_do_not_reach_the_paper(render):
    assert "甲乙丙丁" in squeezed(render(sheet(pairs=(Pair("姓名", "甲\x07乙\u202e丙\u200b丁\ud800"),))))


def test_an_english_sheet_says_it_is_english(render):
    with pikepdf.open(io.BytesIO(render(sheet(english=True, title="Approval sheet")))) as file:
        assert str(file.Root.Lang).startswith("en")
        assert "Approval sheet" in str(file.open_metadata()["dc:title"])


@pytest.mark.parametrize(("record", "part", "level"), [(None, "1", "B"), ({"number": "SX-1", "题": "值"}, "3", "B")])
def test_the_file_is_structurally_pdf_a(render, record, part, level):
    """ISO 19005 as far as it can be seen without a validator: identification, output intent, embedded fonts, nothing forbidden."""
    body = render(sheet(texts=(Pair("说明", "文字Text①" * 50),), mark="演示"), record=record)
    with pikepdf.open(io.BytesIO(body)) as file:
        about = file.open_metadata()
        assert (about["pdfaid:part"], about["pdfaid:conformance"]) == (part, level)
        intents = list(file.Root.OutputIntents)
        assert [str(intent.S) for intent in intents] == ["/GTS_PDFA1"]
        assert len(intents[0].DestOutputProfile.read_bytes()) > 200
        assert not file.is_encrypted
        assert "/AA" not in file.Root
        assert "/JavaScript" not in file.Root.get("/Names", {})
        assert "/AcroForm" not in file.Root
        tables = dictionaries(file)
        faces = [each for each in tables if each.get("/Type") == "/FontDescriptor"]
        assert faces
        assert all({"/FontFile", "/FontFile2", "/FontFile3"} & set(face.keys()) for face in faces)
        streams = [each for each in file.objects if isinstance(each, pikepdf.Stream)]
        assert not [each for each in streams if "/LZWDecode" in str(each.get("/Filter", ""))]
        states = [each for each in file.objects if isinstance(each, pikepdf.Dictionary) and each.get("/Type") == "/ExtGState"]
        assert all(str(state.get("/SMask", "/None")) == "/None" for state in states)
        assert not [
            each
            for each in file.objects
            if isinstance(each, pikepdf.Dictionary) and each.get("/S") in {"/Launch", "/JavaScript", "/Movie", "/Sound"}
        ]
        assert len(file.trailer.ID) == 2


def test_the_archive_form_carries_its_record(render):
    record = {"number": "SX-1", "acts": [{"opinion": EVIL}]}
    with pikepdf.open(io.BytesIO(render(sheet(), record=record))) as file:
        assert list(file.attachments) == ["case.json"]
        attached = file.attachments["case.json"]
        assert json.loads(attached.get_file().read_bytes()) == record
        assert attached.obj.AFRelationship == "/Source"
        assert str(attached.get_file().mime_type) == "application/json"


@pytest.mark.parametrize("address", ["https://az.example/ledger/12/", f"https://{'long-' * 30}name.example:8600/ledger/123456789/"])
def test_the_square_code_on_paper_leads_to_the_address(render, address):
    document = pypdfium2.PdfDocument(render(sheet(proof=Proof("存证核验", (Pair("存证记录", "12"),), address, "扫描"))))
    paper = document[len(document) - 1].render(scale=2).to_numpy()
    assert [found.text for found in zxingcpp.read_barcodes(paper)] == [address]


def test_the_same_sheet_gives_the_same_bytes(render):
    assert render(sheet()) == render(sheet())


def test_the_bureaus_own_typeface_wins(tmp_path):
    from fontTools.ttLib import TTFont

    source = next(face for face in fonts.faces(tmp_path).fonts.fonts() if face.family == "DejaVu Sans")
    with TTFont(source.path) as font:  # a font of that name: the machine has none that is called FangSong
        for entry in font["name"].names:
            if entry.nameID in {1, 4, 16}:
                entry.string = "FangSong_GB2312"
        font.save(tmp_path / "simfang.ttf")
    found = fonts.faces(tmp_path)
    assert found.chosen["body"] == ("FangSong_GB2312", "regular")
    assert found.lacking == ("小标宋", "黑体")
    with pikepdf.open(io.BytesIO(pdf.render(sheet(pairs=(Pair("a", "Latin 中文"),)), fonts=tmp_path, at=AT))) as file:
        names = {
            str(each.FontName) for each in file.objects if isinstance(each, pikepdf.Dictionary) and each.get("/Type") == "/FontDescriptor"
        }
    assert any("DejaVu" in name or "FangSong" in name for name in names)
    assert any("NotoSerifCJK" in name for name in names)  # what the bureau's face lacks


def test_without_any_chinese_typeface_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(fonts, "WANTED", {"body": ("仿宋", ("No Such",), ("Nor This",), "regular")})
    with pytest.raises(fonts.FontsMissingError, match="仿宋"):
        fonts._faces.__wrapped__(tmp_path, ())
