import json

import pytest

from prefpipe.pipeline.summary import Summary


def test_the_account_says_what_came_in_what_went_on_and_why_the_rest_did_not() -> None:
    summary = Summary("judge", "v.parquet", "prompts", 1700, 1693, {"too long": 5, "empty": 2})
    assert summary.account() == "1,700 prompts in = 1,693 out + 7 dropped (5 too long, 2 empty)"


def test_a_reason_that_dropped_nothing_is_not_mentioned() -> None:
    assert Summary("judge", "v", "prompts", 2, 2, {"empty": 0}).account() == "2 prompts in = 2 out + 0 dropped"


@pytest.mark.parametrize(("rows_out", "dropped"), [(8, {}), (8, {"empty": 1}), (10, {"empty": 1})])
def test_a_summary_from_which_rows_vanish_cannot_be_made(rows_out: int, dropped: dict[str, int]) -> None:
    with pytest.raises(AssertionError, match="unaccounted"):
        Summary("judge", "v", "prompts", 10, rows_out, dropped)


def test_a_script_reads_the_whole_summary_as_json() -> None:
    summary = Summary("rank", "r", "prompts", 3, 2, {"empty": 1}, {"votes": 4, "share": 0.5, "none": None}, ("Look.",))
    assert json.loads(json.dumps(summary.as_json())) == {
        "stage": "rank",
        "output": "r",
        "unit": "prompts",
        "in": 3,
        "out": 2,
        "dropped": {"empty": 1},
        "figures": {"votes": 4, "share": 0.5, "none": None},
        "warnings": ["Look."],
    }
