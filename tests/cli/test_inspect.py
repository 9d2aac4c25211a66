import json
import re
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

Run = Callable[..., CompletedProcess[str]]


def test_inspect_shows_model_output_without_letting_it_steer_the_terminal(prefpipe: Run) -> None:
    evil = "\x1b[31mred\x1b[0m \x07bell \x9b2J clear \u202eright to left [bold]not bold[/bold] :smile:"
    Path("a.jsonl").write_text(json.dumps({"prompt": "Why?", "model": "m", "content": evil, evil: 1}))
    result = prefpipe("inspect", "a.jsonl")
    assert result.returncode == 0
    assert all(char.isprintable() or char == "\n" for char in result.stdout)
    assert result.stdout.count("�[31mred�[0m �bell �2J clear �right to left [bold]not bold[/bold] :smile:") == 3
    assert json.loads(prefpipe("inspect", "a.jsonl", "--json").stdout)["sample"][0]["content"] == evil


def test_inspect_reads_standard_input_too(prefpipe: Run) -> None:
    assert prefpipe("inspect", "-", stdin='{"prompt": "a"}\n').stdout.startswith("standard input: prompts, 1 row\n")


@pytest.mark.parametrize("rows", [0, 1, 4])
def test_inspect_shows_as_many_rows_as_are_wanted(prefpipe: Run, data: Path, rows: int) -> None:
    shown = prefpipe("inspect", data / "responses.parquet", "--rows", rows).stdout
    assert len(re.findall(r"^row \d+$", shown, re.MULTILINE)) == rows


def test_inspect_says_where_a_table_came_from(prefpipe: Run, data: Path) -> None:
    shown = prefpipe("inspect", data / "votes.parquet", "--rows", 0).stdout
    made = json.loads(prefpipe("inspect", data / "votes.parquet", "--json").stdout)["provenance"]
    assert shown.startswith("votes.parquet: votes, 30 rows\nstatus: ok 30\nmade by: prefpipe judge (version ")
    assert '  judges = ["sim:judge"]\n' in shown
    assert f"  from responses.parquet {made['inputs'][0]['sha256'][:12]}\n" in shown
    assert "seed" not in shown


def test_inspect_shows_a_table_of_no_known_kind(prefpipe: Run) -> None:
    Path("a.jsonl").write_text('{"a": 1}\n')
    assert prefpipe("inspect", "a.jsonl").stdout == (
        "a.jsonl: a table of no known kind, 1 row\n\na  int\n\nrow 1\n  a  1\n"
    )


def test_inspect_shows_each_value_on_one_line_however_long(prefpipe: Run) -> None:
    Path("a.jsonl").write_text(json.dumps({"prompt": "word\n" * 1000, "none": None}))
    shown = prefpipe("inspect", "a.jsonl").stdout
    [line] = [line for line in shown.splitlines() if line.startswith("  prompt")]
    assert line.endswith("…")
    assert len(line) < 130
    assert "none" not in shown.split("row 1")[1]


def test_a_script_reads_all_that_inspect_finds(prefpipe: Run, data: Path) -> None:
    table = json.loads(prefpipe("inspect", data / "votes.parquet", "--rows", 1, "--json").stdout)
    assert (table["kind"], table["rows"], len(table["sample"])) == ("votes", 30, 1)
    assert table["provenance"]["stage"] == "judge"
    assert table["statuses"] == {"ok": 30}


def test_a_name_with_a_line_break_stays_on_its_line(prefpipe: Run) -> None:
    Path("a.jsonl").write_text(json.dumps({"status": "ok\nrow 9", "b\nrow 8": 1}))
    shown = prefpipe("inspect", "a.jsonl").stdout.splitlines()
    assert [line for line in shown if line.startswith("row")] == ["row 1"]


def test_inspect_shows_times_of_which_python_has_none(prefpipe: Run) -> None:
    times = {
        "at": pa.array([1234567890123456789], pa.timestamp("ns")),
        "took": pa.array([1_000_000_001], pa.duration("ns")),
        "zone": pa.array([5], pa.timestamp("us", "Mars/Base")),
    }
    pq.write_table(pa.table(times), "times.parquet")
    shown = prefpipe("inspect", "times.parquet").stdout
    assert '  at    "2009-02-13T23:31:30.123456"\n' in shown
    assert '  zone  "1970-01-01T00:00:00.000005Z"\n' in shown
    assert prefpipe("inspect", "times.parquet", "--json").returncode == 0


def test_inspect_shows_whatever_a_table_holds(prefpipe: Run) -> None:
    pairs = pa.array([[("k", 1)]], pa.map_("string", "int8"))
    pq.write_table(pa.table({"raw": [b"\xff"], "nan": [float("nan")], "pairs": pairs}), "odd.parquet")
    assert '  raw    "/w=="\n  nan    null\n' in prefpipe("inspect", "odd.parquet").stdout
    assert json.loads(prefpipe("inspect", "odd.parquet", "--json").stdout)["rows"] == 1
