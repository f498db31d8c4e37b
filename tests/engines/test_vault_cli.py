from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import orjson
import pytest
from django.core.management import call_command

from anzhang.engines.vault import Vault
from tests.engines.logs import AT, lines
from tests.engines.test_vault import fill
from tests.engines.test_vault_verify import flip


def run(*arguments: object) -> int:
    """Run the verb and return its exit code."""
    try:
        call_command("vault", *map(str, arguments))
    except SystemExit as stop:
        return int(str(stop.code))
    return 0


def test_a_file_goes_in_is_found_and_comes_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, root = tmp_path / "messages", tmp_path / "vault"
    file.write_bytes(b"\r\n".join(lines(400)) + b"\nMar  2 09:00:00 h app: call 13912345678")
    assert run("ingest", file, "--source", "S", "--vault", root) == 0
    assert run("export", "--source", "S", "--vault", root, "--out", tmp_path / "out") == 0
    assert (tmp_path / "out").read_bytes() == file.read_bytes()
    capsys.readouterr()
    assert run("search", "--term", "call", "--vault", root, "--json") == 0
    assert json.loads(capsys.readouterr().out)["hits"][0]["message"] == "call 139****5678"
    assert run("search", "app", "--count", "--vault", root) == 0
    assert capsys.readouterr().out.strip() == "1"
    assert run("stats", "--vault", root, "--json") == 0
    assert json.loads(capsys.readouterr().out)["sources"]["S"]["rows"] == 401


def test_verify_exits_with_one_and_names_the_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, root = tmp_path / "messages", tmp_path / "vault"
    file.write_bytes(b"\n".join(lines(100)))
    assert run("ingest", file, "--source", "S", "--vault", root) == 0
    assert run("verify", "--vault", root) == 0
    sealed = Vault(root).segments()[0]
    heads = tmp_path / "heads.json"
    heads.write_bytes(
        orjson.dumps([{"number": 1, "name": sealed.name, "root": sealed.root_sha256}, {"number": 2, "name": "n1-2", "root": "00"}])
    )
    capsys.readouterr()
    assert run("verify", "--vault", root, "--heads", heads, "--json") == 1
    assert [fault["number"] for fault in json.loads(capsys.readouterr().out)["faults"]] == [2]
    path = next(root.glob("segments/*/*/filter.bin"))
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    assert run("verify", "--vault", root) == 1
    assert f"{sealed.name}: filter" in capsys.readouterr().out


def test_a_copy_elsewhere_is_made_read_again_and_found_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, root, target = tmp_path / "messages", tmp_path / "vault", tmp_path / "elsewhere"
    file.write_bytes(b"\n".join(lines(50)))
    assert run("ingest", file, "--source", "S", "--vault", root) == 0
    capsys.readouterr()
    assert run("copy", target, "--vault", root, "--json") == 0
    done = json.loads(capsys.readouterr().out)
    assert (done["ok"], done["segments"], len(done["copied"])) == (True, 1, 1)
    assert run("copy", target, "--vault", root, "--verify") == 0
    path = next(target.glob("segments/*/*/filter.bin"))
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    assert run("copy", target, "--vault", root, "--verify") == 1
    assert "filter" in capsys.readouterr().out
    assert run("copy", root, "--vault", root) == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["ingest", "nowhere.log", "--source", "S"], ["ingest", __file__, "--source", "S", "--timezone", "Mars/Base"],
        ["ingest", __file__, "--source", "S", "--encoding", "utf-7"], ["search", "--regex", "("], ["search", "--field", "colour=red"],
        ["verify", "--heads", __file__],
    ],
)  # fmt: skip
def test_bad_input_exits_with_two_and_one_line(tmp_path: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    Vault(tmp_path).writer().close()
    if arguments[0] == "search":
        (tmp_path / "l").write_text("line\n")
        run("ingest", tmp_path / "l", "--source", "S", "--vault", tmp_path)
        capsys.readouterr()
    assert run(*arguments, "--vault", tmp_path) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_small_segments_are_merged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(Vault(tmp_path / "vault"), lines(400), per_batch=50, per_segment=1)
    assert run("merge", "--vault", tmp_path / "vault", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert ([each["name"] for each in told["segments"]], told["faults"]) == (["n1-000000008.1"], [])
    assert run("merge", "--vault", tmp_path / "vault") == 0
    assert capsys.readouterr().out.strip() == "nothing to merge"
    assert run("verify", "--vault", tmp_path / "vault") == 0


def test_a_damaged_segment_is_left_and_the_rest_is_merged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vault = Vault(tmp_path / "vault")
    fill(vault, lines(400), per_batch=50, per_segment=1)
    fill(vault, lines(400), per_batch=50, per_segment=1, at=AT + timedelta(days=1))
    flip(next((vault.root / "segments").glob("day=*/n1-000000003")) / "rows.parquet", 60)
    assert run("merge", "--vault", vault.root) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "n1-000000016.1: 8 segments, 400 lines"
    assert said[1].startswith("n1-000000003 is not what was sealed")
    assert len(vault.segments()) == 9
