import itertools
import json
from dataclasses import replace
from typing import Any

import msgspec

from prefpipe.cli.leaderboard import json_of, lines_of
from prefpipe.pipeline.formats.leaderboards import (
    Against,
    Agreement,
    Board,
    Flagged,
    Judge,
    Leaderboard,
    Peer,
    Standing,
    unranked,
)
from prefpipe.pipeline.summary import Summary


def standing(model: str, rank: int, score: float, low: int = 1, high: int = 2) -> Standing:
    return Standing(
        model=model,
        rank=rank,
        rank_low=low,
        rank_high=high,
        score=score,
        low=score - 0.25,
        high=score + 1,
        standard_error=0.3,
        vote_error=0.2,
        prompt_error=0.31,
        over_next=0.04,
        flags=[],
        win_rate=0.7512,
        votes=12345,
        prompts=60,
        wins=9,
        ties=1,
        losses=2,
        against=[Against("other", 9, 1, 2, 60)],
    )


FIRST = Board(None, 1, [standing("best", 1, 1.5, high=1), standing("a longer name", 2, -1.5, low=2)], 60, 0.4, 0.02)
SOLE = Leaderboard("bradley-terry", "logit", None, [FIRST])
MANY = Leaderboard(
    "bradley-terry",
    "elo",
    "topic",
    [
        FIRST,
        Board(None, 2, [standing("x", 1, 1000)], 3),
        Board(None, 0, [unranked("uncompared")], 0),
        Board("maths", 1, [standing("best", 1, 1034.4)], 20),
    ],
)


def told(board: Leaderboard) -> Any:
    return json.loads(msgspec.json.encode(json_of(board)))


def test_one_board_is_one_aligned_table() -> None:
    assert lines_of(SOLE) == [
        "rank  model          logit   95 % interval  win rate   votes  prompts",
        "   1  best            1.50    1.25 to 2.50     75.1%  12,345       60",
        "   2  a longer name  -1.50  -1.75 to -0.50     75.1%  12,345       60",
    ]


def test_several_boards_have_titles() -> None:
    lines = lines_of(MANY)
    titles = [lines[0], *(line for before, line in itertools.pairwise(lines) if not before)]
    assert titles == [
        "all prompts, part 1 of 2",
        "all prompts, part 2 of 2",
        "all prompts, compared with no other model",
        "topic: maths",
    ]
    assert lines[-1].split() == ["1-2", "best", "1034", "1034", "to", "1035", "75.1%", "12,345", "60"]
    assert "-  uncompared    -              -         -      0        0" in "\n".join(lines)


def test_a_name_cannot_steer_the_terminal_or_break_the_table() -> None:
    board = Board(None, 1, [standing("a\x1b[31m\nb", 1, 0.0)], 1)
    _, row = lines_of(Leaderboard("elo", "logit", None, [board]))
    assert "a�[31m�b" in row


def test_a_very_long_name_leaves_the_numbers_in_sight_and_is_whole_in_json() -> None:
    name = "a" * 300
    board = Board(None, 1, [standing(name, 1, 0.0)], 1, peers=[Peer(name, True, 1.0, None)])
    judges = [Judge(name, 1, None, 1), Judge("b", 1, None, 0)]
    flagged = [Flagged(name, name, name, 3, 0.9, 0.25, 1e-9, 0.97)]
    found = Leaderboard("robust", "logit", None, [board], judges, None, flagged)
    lines = lines_of(found)
    assert len([line for line in lines if "…" in line]) == 4
    assert max(map(len, lines)) < 250
    assert told(found)["boards"][0]["standings"][0]["model"] == name


def test_a_very_long_value_leaves_its_title_short() -> None:
    boards = [FIRST, Board("a" * 300, 1, FIRST.standings, 1)]
    assert lines_of(Leaderboard("elo", "logit", "k", boards))[5] == f"k: {'a' * 30}…{'a' * 29}"


def test_what_is_known_of_judges_stands_below_the_boards() -> None:
    peers = [Peer("best", True, 1.25, 0.125), Peer("ana", False, 1.0, None)]
    judges = [Judge("ana", 1200, None, 0), Judge("best", 34, 0.456, 3)]
    flagged = [Flagged("best", "x", "longer", 3, 0.9, 0.25, 1e-9, 0.97)]
    board = Leaderboard("m", "logit", None, [replace(FIRST, peers=peers)], judges, Agreement(0.5, 9, []), flagged)
    assert lines_of(board)[3:] == [
        "",
        "judge  weight     ±  competes",
        "best     1.25  0.12       yes",
        "ana      1.00     -        no",
        "",
        "judge  comparisons  kappa  flagged",
        "ana          1,200      -        0",
        "best            34   0.46        3",
        "",
        "flagged votes of  for  against  comparisons  won  expected  corrupted",
        "best                x   longer            3  90%       25%        97%",
    ]
    seen = told(board)
    assert seen["agreement"] == {"alpha": 0.5, "questions": 9, "pairs": []}
    assert seen["flagged"][0]["p_value"] == 1e-9
    assert seen["boards"][0]["peers"][1] == {"judge": "ana", "competes": False, "weight": 1.0, "error": None}


def test_text_shows_some_of_many_judges_and_json_all() -> None:
    judges = [Judge(f"j{number}", 1, None, None) for number in range(25)]
    board = Leaderboard("m", "logit", None, [FIRST], judges)
    lines = lines_of(board)
    assert (lines[4].split(), lines[-1]) == (["judge", "comparisons", "kappa"], "and 5 more judges: see --json")
    assert len(lines) == 4 + 1 + 20 + 1
    assert len(told(board)["judges"]) == 25


def test_json_holds_everything() -> None:
    summary = Summary("leaderboard", "standard output", "votes", 1, 1)
    seen = told(Leaderboard("elo", "logit", None, [FIRST], summary=summary))
    assert seen["boards"][0]["standings"][0]["against"][0]["wins"] == 9
    assert seen["boards"][0]["position_effect"] == 0.4
    assert seen["summary"]["out"] == 1
    assert told(SOLE)["summary"] is None
