from math import inf

from prefpipe.pipeline.llm.batch.files import FileLimits
from prefpipe.pipeline.llm.batch.pace import Pace

LIMITS = FileLimits(1000, 10_000)


def test_nothing_is_held_back_before_the_first_refusal() -> None:
    pace = Pace()
    assert (pace.batches, pace.limits(LIMITS)) == (inf, LIMITS)
    assert pace.learn(taken=5, refused=0, smallest=0)
    assert pace.batches == inf


def test_as_many_batches_go_out_together_as_were_taken() -> None:
    pace = Pace()
    pace.learn(taken=3, refused=17, smallest=1000)
    assert (pace.batches, pace.limits(LIMITS)) == (3, LIMITS)


def test_batches_become_smaller_where_not_even_one_was_taken() -> None:
    pace = Pace()
    pace.learn(taken=0, refused=4, smallest=1000)
    assert (pace.batches, pace.limits(LIMITS)) == (1, FileLimits(500, 10_000))
    pace.learn(taken=0, refused=1, smallest=500)
    assert pace.limits(LIMITS).requests == 250


def test_more_go_out_again_after_a_round_without_refusal() -> None:
    pace = Pace(batches=1, requests=250)
    pace.learn(taken=1, refused=0, smallest=0)
    assert (pace.batches, pace.requests) == (2, 250)


def test_there_is_no_hope_when_a_single_request_is_too_much() -> None:
    pace = Pace(batches=1, requests=1)
    assert not pace.learn(taken=0, refused=1, smallest=1)
