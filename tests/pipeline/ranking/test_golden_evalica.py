"""evalica's tables of five dishes and of five numbers (food.csv, simple.csv and their golden files, Apache-2.0).

Elo, PageRank and the average win rates of the same tables are tested beside their kernels.
"""

import numpy as np
import pytest

from prefpipe.pipeline.ranking.bradley_terry import bradley_terry
from prefpipe.pipeline.ranking.davidson import davidson
from prefpipe.pipeline.ranking.eigenvector import eigenvector
from prefpipe.pipeline.ranking.tally import Floats, Tally

FOOD = (
    "PiSuL BuPaR TaPiL SuTaR BuPiL PaSuR TaBuL PiPaT SuBuR PaTaL BuSuR TaPiL SuPaT BuTaL PiBuR "
    "PaTaR BuSuR TaPaL PiTaR SuBuL PaPiR BuSuR TaPaL PiSuL SuBuR PaTaR TaPiL BuPaR SuTaL PiBuR"
)
SIMPLE = "01T 02R 02T 04T 10L 12T 12T 13T 24T 30L 31L 32L 34T 34T 40L 43L"
TABLES = {"food": (FOOD, ["Bu", "Pa", "Pi", "Su", "Ta"]), "simple": (SIMPLE, list("01234"))}


def counted(table: str) -> Tally:
    rows, names = TABLES[table]
    first, second, tied = np.zeros((3, 1, len(names), len(names)))
    for row in rows.split():
        one, two = (names.index(name) for name in (row[: len(names[0])], row[len(names[0]) : -1]))
        first[0, one, two] += row[-1] == "L"
        second[0, two, one] += row[-1] == "R"
        tied[0, one, two] += row[-1] == "T"
    return Tally(first, second, tied)


def centred(strengths: list[float]) -> Floats:
    """Logits of strengths whose scale is arbitrary."""
    logits = np.log(strengths)
    found: Floats = logits - logits.mean()
    return found


@pytest.mark.parametrize(("table", "points"), [("food", [6, 4, 3.5, 6.5, 10]), ("simple", [1.5, 3, 3, 4.5, 4])])
def test_counts_are_those_of_evalica(table: str, points: list[float]) -> None:
    assert counted(table).points[0].sum(1).tolist() == points


@pytest.mark.parametrize(
    ("table", "shares"),
    [
        (
            "food",
            [0.14797665121689418, 0.1281534106031957, 0.09897982556928168, 0.19060028489839073, 0.43428982771223773],
        ),
        (
            "simple",
            [0.050799672530389396, 0.1311506914535368, 0.13168568070110523, 0.33688868041573855, 0.34947527489923],
        ),
    ],
)
def test_strengths_of_bradley_and_terry_are_those_of_evalica(table: str, shares: list[float]) -> None:
    found = bradley_terry(counted(table), prior_sd=float("inf")).scores[0]
    assert found == pytest.approx(centred(shares), abs=1e-4)


@pytest.mark.parametrize(
    ("table", "strengths"),
    [
        ("food", [0.8296600883232509, 0.7101537820870093, 0.536812511441843, 1.0906271591531849, 2.6652107229187254]),
        (
            "simple",
            [0.017973592758248474, 0.4802400245305803, 0.4814190342801864, 12.805770244756038, 13.03674474236858],
        ),
    ],
)
def test_newmans_strengths_with_ties_are_those_of_evalica(table: str, strengths: list[float]) -> None:
    found = davidson(counted(table), prior_sd=1e4).scores[0]
    assert found == pytest.approx(centred(strengths), abs=1e-4)


@pytest.mark.parametrize(
    ("table", "weakness"),
    [
        ("food", [0.5285337049443669, 0.43994838306559647, 0.5053087904169826, 0.4548697924168706, 0.2546645661447762]),
        (
            "simple",
            [0.6955953825629274, 0.41775362411253586, 0.41958162945500665, 0.2806190746997715, 0.2946746755941242],
        ),
    ],
)
def test_eigenvectors_of_the_losses_are_those_of_evalica(table: str, weakness: list[float]) -> None:
    """Of length 1 there, the largest entry being that of the weakest item."""
    lost = counted(table).points.transpose(0, 2, 1)
    found = eigenvector(Tally(lost, np.zeros_like(lost), np.zeros_like(lost)), pseudo_wins=0, link=1e-12).scores[0]
    assert found / np.linalg.norm(found) == pytest.approx(weakness, abs=1e-6)
