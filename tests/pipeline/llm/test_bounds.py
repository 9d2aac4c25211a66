import pytest

from prefpipe.pipeline.errors import UsageError
from prefpipe.pipeline.llm.bounds import FEWEST_CALLS_TO_JUDGE_BY, Bounds


def test_a_run_without_bounds_goes_on() -> None:
    assert Bounds().why_stop(launched=10**9, finished=10**9, failed=0) is None


def test_the_last_call_that_is_allowed_is_sent_and_no_more() -> None:
    bounds = Bounds(max_calls=3)
    assert bounds.why_stop(launched=2, finished=0, failed=0) is None
    assert "--max-calls 3" in (bounds.why_stop(launched=3, finished=0, failed=0) or "")


def test_with_no_calls_allowed_none_is_sent() -> None:
    assert Bounds(max_calls=0).why_stop(launched=0, finished=0, failed=0)


def test_a_share_of_failures_counts_once_it_means_something() -> None:
    bounds, enough = Bounds(max_failures=0.1), FEWEST_CALLS_TO_JUDGE_BY
    assert bounds.why_stop(enough, finished=enough - 1, failed=enough - 1) is None
    assert bounds.why_stop(100, finished=100, failed=10) is None
    assert "11 of 100 calls failed" in (bounds.why_stop(100, finished=100, failed=11) or "")


def test_all_may_fail_if_told_so() -> None:
    assert Bounds(max_failures=1).why_stop(100, finished=100, failed=100) is None


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"max_calls": -1}, "--max-calls must be 0 or more, not -1."),
        ({"max_cost": -0.5}, "--max-cost must be 0 or more, not -0.5."),
        ({"max_cost": float("nan")}, "--max-cost must be 0 or more, not nan."),
        ({"max_failures": 1.5}, "--max-failures must be between 0 and 1, not 1.5."),
        ({"max_failures": -0.1}, "--max-failures must be between 0 and 1, not -0.1."),
    ],
)
def test_a_bound_that_makes_no_sense_is_refused(wrong: dict[str, float], problem: str) -> None:
    with pytest.raises(UsageError) as error:
        Bounds(**wrong)  # type: ignore[arg-type]
    assert error.value.message == problem
    assert error.value.hint
