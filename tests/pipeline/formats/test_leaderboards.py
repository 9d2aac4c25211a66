from dataclasses import replace

from prefpipe.pipeline.formats.leaderboards import Against, Board, Leaderboard, known, table_rows, unranked


def test_rows_say_on_which_board_they_stand() -> None:
    best = replace(unranked("best"), against=[Against("other", 9, 1, 2, 60)])
    boards = [
        Board(None, 1, [best, unranked("second")], 60),
        Board(None, 2, [unranked("x")], 3),
        Board(None, 0, [unranked("uncompared")], 0),
        Board("maths", 1, [best], 20),
    ]
    rows = list(table_rows(Leaderboard("bradley-terry", "elo", "topic", boards)))
    assert [(row["model"], row["by"], row["value"], row["part"]) for row in rows] == [
        ("best", None, None, 1),
        ("second", None, None, 1),
        ("x", None, None, 2),
        ("uncompared", None, None, 0),
        ("best", "topic", "maths", 1),
    ]
    assert rows[0]["against"] == [{"model": "other", "wins": 9, "ties": 1, "losses": 2, "prompts": 60}]


def test_what_is_not_a_number_is_unknown() -> None:
    assert [known(value) for value in (1.5, float("nan"), float("inf"))] == [1.5, None, None]
