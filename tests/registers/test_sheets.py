"""Reading a sheet that nobody vouches for."""

import io
import struct
import zipfile
import zlib

import pytest
import xlsxwriter

from anzhang.registers import sheets


def book(fill, **options) -> bytes:
    out = io.BytesIO()
    workbook = xlsxwriter.Workbook(out, {"in_memory": True, **options})
    fill(workbook.add_worksheet(), workbook)
    workbook.close()
    return out.getvalue()


def test_it_reads_a_workbook_with_row_numbers_and_skips_empty_rows():
    def fill(sheet, _workbook):
        sheet.write_row(0, 0, ["工号", "姓名"])
        sheet.write_row(1, 0, ["P001", "高建国"])
        sheet.write_row(3, 0, ["P002", "何敏"])

    read = sheets.read(book(fill), "a.xlsx")
    assert read.headers == ("工号", "姓名")
    assert read.rows == ((2, ("P001", "高建国")), (4, ("P002", "何敏")))


def test_it_reads_dates_of_both_epochs():
    import datetime as dt

    def fill(sheet, workbook):
        sheet.write(0, 0, "日期")
        sheet.write_datetime(1, 0, dt.date(2026, 11, 24), workbook.add_format({"num_format": "yyyy-mm-dd"}))

    for epoch in (False, True):
        assert sheets.read(book(fill, date_1904=epoch), "a.xlsx").rows[0][1][0] == dt.date(2026, 11, 24)


def test_it_names_formula_cells_and_merged_cells():
    def fill(sheet, _workbook):
        sheet.write_row(0, 0, ["工号", "姓名"])
        sheet.write_formula("B2", "=1+1")
        sheet.merge_range("A3:A4", "合并")

    with pytest.raises(sheets.BadSheetError) as caught:
        sheets.read(book(fill), "a.xlsx")
    assert any(fault.startswith("B2 ") for fault in caught.value.faults)
    assert any(fault.startswith("A3:A4 ") for fault in caught.value.faults)


def test_it_reads_the_first_sheet_even_when_its_part_has_another_name():
    def fill(sheet, workbook):
        sheet.write(0, 0, "工号")
        sheet.write(1, 0, "P001")
        workbook.add_worksheet().write_formula("A1", "=1")

    assert sheets.read(book(fill), "a.xlsx").rows == ((2, ("P001",)),)


def test_it_refuses_a_zip_bomb_whose_headers_lie():
    good = book(lambda sheet, _workbook: sheet.write(0, 0, "工号"))
    real = sheets.MAX_INFLATED + 2**20
    packer = zlib.compressobj(9, wbits=-15)
    packed = b"".join(packer.compress(b"\0" * 2**20) for _ in range(real // 2**20)) + packer.flush()
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(good)) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for entry in source.infolist():
            target.writestr(entry.filename, source.read(entry))
        info = zipfile.ZipInfo("xl/media/image1.png")
        target.writestr(info, b"x")
    data = out.getvalue()
    # Append one entry by hand that declares 10 bytes and inflates to more than the bound.
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        start = archive.start_dir
    name = b"xl/bomb.xml"
    local = struct.pack("<4s5H3I2H", b"PK\x03\x04", 20, 0, 8, 0, 0, 0, len(packed), 10, len(name), 0) + name + packed
    central = struct.pack("<4s6H3I5H2I", b"PK\x01\x02", 20, 20, 0, 8, 0, 0, 0, len(packed), 10, len(name), 0, 0, 0, 0, 0, start) + name
    directory = data[start:-22]
    count = struct.unpack_from("<H", data, len(data) - 12)[0] + 1
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, count, count, len(directory) + len(central), start + len(local), 0)
    with pytest.raises(sheets.BadSheetError, match="展开后超过"):
        sheets.read(data[:start] + local + directory + central + end, "a.xlsx")


def test_it_refuses_too_many_parts():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number in range(sheets.MAX_ENTRIES + 1):
            archive.writestr(f"p{number}", b"")
    with pytest.raises(sheets.BadSheetError, match="过多部件"):
        sheets.read(out.getvalue(), "a.xlsx")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_it_reads_csv_in_the_encodings_of_chinese_desktops(encoding):
    read = sheets.read("工号,姓名\r\nP001,高建国\r\n".encode(encoding), "a.csv")
    assert read == sheets.Sheet(("工号", "姓名"), ((2, ("P001", "高建国")),))


@pytest.mark.parametrize(
    ("data", "name", "why"),
    [
        (b"", "a.csv", "空的"),
        (b"  \r\n ", "a.csv", "空的"),
        (b"a,b\r\n\x00,1\r\n", "a.csv", "空字符"),
        (b"\xff\xff\xff\xff,\xff", "a.csv", "编码"),
        (b'a,b\r\n"open,1\r\n', "a.csv", "引号"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1rest", "a.xls", "旧版"),
        (b"PK\x03\x04broken", "a.xlsx", "损坏"),
        (b"plain text", "a.xlsx", "损坏"),
        (b",,\r\n1,2\r\n", "a.csv", "表头"),
        (b"a,b\r\n1,2,3\r\n", "a.csv", "C2 没有表头"),
        (b"a\r\n" + b"x" * 40_000 + b"\r\n", "a.csv", "A2 过长"),
    ],
)
def test_it_says_what_is_wrong_with_a_file(data, name, why):
    with pytest.raises(sheets.BadSheetError, match=why):
        sheets.read(data, name)


def test_it_bounds_the_rows():
    data = b"a\r\n" + b"1\r\n" * (sheets.MAX_ROWS + 1)
    with pytest.raises(sheets.BadSheetError, match="分批"):
        sheets.read(data, "a.csv")


@pytest.mark.parametrize("text", ["=1+1", "+86", "-", "@x", "'=x", "''@", "\tx", "plain", "'quoted'", "", "''"])
def test_the_guard_of_a_cell_is_taken_back_exactly(text):
    guarded = sheets.guard(text)
    assert guarded[:1] not in {"=", "+", "-", "@", "\t", "\r"}
    assert sheets.unguard(guarded) == text


def rebuilt(data, changes):
    """Return a workbook with some of its parts replaced or added."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for entry in source.infolist():
            if entry.filename not in changes:
                target.writestr(entry.filename, source.read(entry))
        for name, content in changes.items():
            target.writestr(name, content)
    return out.getvalue()


def plain(sheet, _workbook):
    sheet.write_row(0, 0, ["工号", "姓名"])
    sheet.write_row(1, 0, ["P001", "高建国"])


def test_it_reads_the_first_sheet_that_is_shown_and_checks_that_one_for_formulas():
    def fill(sheet, workbook):
        sheet.write(0, 0, "机密")
        sheet.write_formula("A2", "=1")
        sheet.hide()
        shown = workbook.add_worksheet()
        shown.write(0, 0, "工号")
        shown.write(1, 0, "P001")
        shown.activate()

    assert sheets.read(book(fill), "a.xlsx") == sheets.Sheet(("工号",), ((2, ("P001",)),))


def test_it_refuses_macros():
    data = rebuilt(book(plain), {"xl/vbaProject.bin": b"\xd0\xcf\x11\xe0"})
    with pytest.raises(sheets.BadSheetError, match="宏"):
        sheets.read(data, "a.xlsm")


def test_it_follows_no_external_link_and_takes_no_value_from_one():
    link = '<externalLink xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><externalBook/></externalLink>'
    assert sheets.read(rebuilt(book(plain), {"xl/externalLinks/externalLink1.xml": link}), "a.xlsx").rows == ((2, ("P001", "高建国")),)

    def fill(sheet, _workbook):
        sheet.write(0, 0, "工号")
        sheet.write_formula("A2", "='[1]Sheet1'!A1", None, "P001")

    with pytest.raises(sheets.BadSheetError, match="A2 是公式"):
        sheets.read(book(fill), "a.xlsx")


def test_it_refuses_a_workbook_under_a_password():
    # An encrypted xlsx is an OLE container with an EncryptedPackage stream.
    data = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504) + "EncryptedPackage".encode("utf-16-le")
    with pytest.raises(sheets.BadSheetError, match="加密"):
        sheets.read(data, "a.xlsx")


def test_it_refuses_a_zip_under_a_password():
    data = bytearray(book(plain))
    for at in (data.find(b"PK\x03\x04"), data.find(b"PK\x01\x02")):
        data[at + (6 if data[at + 2] == 3 else 8)] |= 1
    with pytest.raises(sheets.BadSheetError, match=r"加密|损坏"):
        sheets.read(bytes(data), "a.xlsx")


@pytest.mark.parametrize(
    "evil",
    [
        '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]><workbook>&c;</workbook>',
        '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><workbook>&e;</workbook>',
        "<workbook>",
    ],
)
def test_it_refuses_entities_in_the_xml(evil):
    with pytest.raises(sheets.BadSheetError):
        sheets.read(rebuilt(book(plain), {"xl/workbook.xml": evil}), "a.xlsx")


def test_a_header_alone_is_a_sheet_without_rows():
    assert sheets.read("工号,姓名\r\n".encode(), "a.csv") == sheets.Sheet(("工号", "姓名"), ())


def test_a_sheet_with_a_million_empty_rows_is_read_as_what_it_holds():
    def fill(sheet, _workbook):
        plain(sheet, None)
        sheet.write_blank(1_000_000, 0, None, _workbook.add_format({"bold": True}))

    assert len(sheets.read(book(fill), "a.xlsx").rows) == 1
