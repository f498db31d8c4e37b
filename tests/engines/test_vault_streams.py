from __future__ import annotations

from pathlib import Path

import pytest

from anzhang.engines.vault import Batch, Vault
from anzhang.engines.vault import streams as parsers
from tests.engines.logs import AT

GOLDEN = [line for line in (Path(__file__).parent / "golden/auth_event.txt").read_text().splitlines() if not line.startswith("#")]
COLUMNS = ("event_action", "event_outcome", "user_name", "source_ip", "target_user", "by_user")


def test_each_line_becomes_the_event_beside_it(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    cases = [line.split(" => ") for line in GOLDEN]
    with vault.writer() as writer:
        written = "".join("Mar  2 09:00:00 h {}[7]: {}\n".format(*left.split(" | ")) for left, _ in cases)
        writer.append(Batch("S", written.encode(), AT))
        writer.seal(AT)
    found = {row["seq"]: row for row in vault.events().to_pylist()}
    for number, (left, right) in enumerate(cases, 1):
        row = found.get(number)
        said = "none" if row is None else " ".join((row[name] or "-").replace(" ", "*") for name in COLUMNS)
        assert (left, said) == (left, right)
    assert {(row["segment"], row["process_pid"], row["host_name"]) for row in found.values()} == {("n1-000000001", 7, "h")}
    assert next(row for row in found.values() if "repeated 5" in row["message"])["repeated"] == 5


@pytest.mark.parametrize(
    "broken", ["stream = 1", "stream='auth_event'\napps=[]\n[[pattern]]\ncontains='x'\nregex='('\naction='a'\noutcome='b'", "[["]
)
def test_a_wrong_parser_file_is_named(tmp_path: Path, broken: str) -> None:
    path = tmp_path / "broken.toml"
    path.write_text(broken)
    with pytest.raises(parsers.ParserError, match=r"broken\.toml"):
        parsers.load(path)
