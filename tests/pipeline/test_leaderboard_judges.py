import json
import math
from collections.abc import Callable, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prefpipe.pipeline import generate, judge, leaderboard
from prefpipe.pipeline.errors import UsageError
from prefpipe.pipeline.formats.leaderboards import Leaderboard

Row = dict[str, Any]
WriteLines = Callable[[str, Sequence[Row]], Path]
PEERS = ["sim:strong?sharpness=4", "sim:good?sharpness=3", "sim:fair?sharpness=1.5", "sim:weak?sharpness=0"]
"""Simulated models that judge each other; the last one flips coins."""


def vote(shown: Sequence[str], ranks: list[int] | None, prompt: object = 0, judge: str = "j", **more: Any) -> Row:
    return {"prompt_id": f"p{prompt}", "judge": judge, "shown": list(shown), "ranks": ranks} | more


def summary(found: Leaderboard) -> Any:
    assert found.summary is not None
    return found.summary


@pytest.fixture(scope="module")
def peers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the responses of four simulated models, and their votes on each other."""
    folder = tmp_path_factory.mktemp("peers")
    prompts = folder / "prompts.jsonl"
    prompts.write_text("".join(json.dumps({"prompt": f"Question {number}?"}) + "\n" for number in range(25)), "utf-8")
    generate(prompts, folder / "responses.parquet", models=PEERS, store=folder / "store.db")
    judge(folder / "responses.parquet", folder / "votes.parquet", judges=PEERS, store=folder / "store.db")
    return folder


def test_peer_rank_finds_the_bad_judge_and_leaves_out_what_judges_say_of_themselves(peers: Path) -> None:
    found = leaderboard(peers / "votes.parquet", responses=peers / "responses.parquet", method="peer-rank")
    [board] = found.boards
    assert [one.model for one in board.standings] == PEERS
    assert board.peers is not None
    assert [peer.judge for peer in board.peers] == PEERS
    assert board.peers[-1].weight == 0
    assert np.mean([peer.weight for peer in board.peers]) == pytest.approx(1)
    assert all(peer.competes and peer.error is not None for peer in board.peers)
    assert (found.scale, board.standings[0].vote_error) == ("peer-rank", None)
    assert summary(found).dropped["on the judge's own answers"] == summary(found).rows_in / 2 == 600
    assert summary(found).figures["judge_weights"].startswith("sim:weak?sharpness=0 0.00, sim:fair?")


def test_the_bad_judge_agrees_with_nobody(peers: Path) -> None:
    found = leaderboard(peers / "votes.parquet", responses=peers / "responses.parquet")
    kappas = {one.judge: one.kappa or 0 for one in found.judges}
    assert min(kappas, key=lambda name: kappas[name]) == PEERS[-1]
    assert abs(kappas[PEERS[-1]]) < 0.15
    assert kappas[PEERS[0]] > 0.3
    assert found.agreement is not None
    assert (len(found.agreement.pairs), found.agreement.questions) == (6, 300)
    assert summary(found).figures["judges_alpha"] == found.agreement.alpha
    assert [one.comparisons for one in found.judges] == [300] * 4
    assert found.flagged is None


def test_a_judge_who_does_not_compete_has_the_mean_weight(write_lines: WriteLines) -> None:
    rows = [vote(pair, [1, 2], p, by) for p in range(5) for by in ("a", "b", "ana") for pair in ("ab", "ac", "bc")]
    found = leaderboard(write_lines("votes.jsonl", rows), method="peer-rank", draws=20)
    assert found.boards[0].peers is not None
    assert [(one.judge, one.competes, one.weight) for one in found.boards[0].peers] == [
        ("a", True, 2),
        ("ana", False, 1),
        ("b", True, 0),
    ]
    assert summary(found).account() == "45 votes in = 25 out + 20 dropped (20 on the judge's own answers)"


@pytest.mark.parametrize(
    ("judges", "sentence"),
    [
        ("xy", "peer-rank weighs judges by how they rank as models, and 0 of the judges (x, y) are models (a, b, c)."),
        ("ax", "peer-rank weighs judges by how they rank as models, and 1 of the judges (a, x) is a model (a, b, c)."),
    ],
)
def test_peer_rank_without_two_judges_who_compete_is_refused(
    write_lines: WriteLines, judges: str, sentence: str
) -> None:
    rows = [vote(pair, [1, 2], p, by) for p in range(2) for by in judges for pair in ("ab", "bc")]
    with pytest.raises(UsageError) as refusal:
        leaderboard(write_lines("votes.jsonl", rows), method="peer-rank")
    assert refusal.value.message == sentence
    assert refusal.value.hint == "Judge with the models themselves, under the same names, or use bradley-terry."


def test_votes_on_own_answers_alone_leave_nothing_to_rank_by(write_lines: WriteLines) -> None:
    rows = [vote("ab", [1, 2], 0, by) for by in "ab"]
    with pytest.raises(UsageError, match="compares two models other than the judge") as refusal:
        leaderboard(write_lines("votes.jsonl", rows), method="peer-rank")
    assert refusal.value.hint == "Judges do not count on their own answers; use bradley-terry."


def test_the_summary_says_of_which_part_it_gives_the_weights(write_lines: WriteLines) -> None:
    rows = [vote(pair, [1, 2], p, by) for p in range(3) for by in "abcx" for pair in ("ab", "ac", "bc")]
    rows += [vote("xy", [1, 2], p, by) for p in range(3) for by in "abc"]
    found = leaderboard(write_lines("votes.jsonl", rows), method="peer-rank", draws=20)
    assert [board.part for board in found.boards] == [1, 2]
    assert summary(found).figures["judge_weights"].startswith("of part 1: c 0.00, ")


@pytest.mark.parametrize("method", ["peer-rank", "robust"])
def test_neither_the_order_of_rows_nor_lists_and_ratings_disturb_judges(write_lines: WriteLines, method: str) -> None:
    rng = np.random.default_rng(0)
    rows = [
        vote(pair, [1, 2] if (pair[0] < pair[1]) == (rng.random() < 0.8) else [2, 1], p, by)
        for p in range(12)
        for by in "abc"
        for pair in map("".join, permutations("abcd", 2))
    ]
    rows += [vote("bcd", [1, 2, 3], p, "a") for p in range(6)]
    rows += [vote(name, None, 3, by, scores=[float(ord(name))]) for by in "ab" for name in "bcd"]
    one = leaderboard(write_lines("one.jsonl", rows), method=method, draws=20)
    rng.shuffle(rows)
    other = leaderboard(write_lines("other.jsonl", rows), method=method, draws=20)
    assert [standing.model for standing in one.boards[0].standings] == [
        standing.model for standing in other.boards[0].standings
    ]
    assert (one.judges, one.agreement, one.flagged) == (other.judges, other.agreement, other.flagged)
    assert one.boards[0].peers == other.boards[0].peers
    assert summary(one).dropped == summary(other).dropped


def bought(prompts: int = 60) -> list[Row]:
    """Votes of three judges on six models; of one of them, all on f against a and on f against b are for f."""
    rng = np.random.default_rng(1)
    strength = dict(zip("abcdef", np.linspace(1, -1, 6), strict=True))
    return [
        vote(
            pair,
            [1, 2]
            if (by == "z" and pair in {"fa", "fb"})
            or (
                not (by == "z" and pair in {"af", "bf"})
                and rng.random() < 1 / (1 + math.exp(strength[pair[1]] - strength[pair[0]] - 0.3))
            )
            else [2, 1],
            p,
            by,
        )
        for p in range(prompts)
        for by in "xyz"
        for pair in map("".join, permutations("abcdef", 2))
    ]


def test_robust_leaves_out_bought_votes_tells_whose_they_are_and_ranks_as_if_they_were_not_there(
    write_lines: WriteLines,
) -> None:
    rows = bought()
    found = leaderboard(write_lines("votes.jsonl", rows), method="robust", draws=20)
    assert found.flagged is not None
    assert {(one.judge, one.winner, one.loser) for one in found.flagged} == {("z", "f", "a"), ("z", "f", "b")}
    assert all(one.comparisons == 120 and one.seen == 1 and one.expected < 0.3 for one in found.flagged)
    assert [(one.judge, one.flagged) for one in found.judges] == [("x", 0), ("y", 0), ("z", 240)]
    assert summary(found).dropped["flagged as corrupted"] == summary(found).figures["flagged"] == 240
    assert summary(found).figures["flagged_share"] == pytest.approx(240 / len(rows))
    honest = [row for row in rows if row["judge"] != "z" or set(row["shown"]) not in ({"a", "f"}, {"b", "f"})]
    alone = leaderboard(write_lines("honest.jsonl", honest), draws=20)
    assert found.boards == alone.boards


def test_robust_without_corrupted_votes_is_bradley_terry(write_lines: WriteLines) -> None:
    votes = write_lines("votes.jsonl", [row for row in bought(20) if row["judge"] != "z"])
    found = leaderboard(votes, method="robust", draws=20)
    assert found.flagged == []
    assert found.boards == leaderboard(votes, draws=20).boards


def test_one_judge_is_compared_with_nobody(write_lines: WriteLines) -> None:
    found = leaderboard(write_lines("votes.jsonl", [vote("ab", [1, 2], p) for p in range(3)]))
    assert (found.agreement, [(one.judge, one.kappa) for one in found.judges]) == (None, [("j", None)])


def test_a_position_effect_that_is_zero_but_for_rounding_is_zero(write_lines: WriteLines) -> None:
    rows = [vote(pair, [1, 1], p) for p in range(7) for pair in ("ab", "ba", "ac", "ca", "bc", "cb")]
    [board] = leaderboard(write_lines("votes.jsonl", rows)).boards
    assert (board.position_effect, board.position_error) == (0, 0)
