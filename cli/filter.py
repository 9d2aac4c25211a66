"""prefpipe filter."""

from pathlib import Path
from typing import Annotated

import typer

from .options import Json, Output
from .terminal import show_summary


def filter_(
    rankings: Annotated[Path, typer.Argument(help="Rankings from `prefpipe rank`.")],
    output: Output,
    dropped: Annotated[Path | None, typer.Option(help="Where to write the dropped rows, each with its reason.")] = None,
    min_w: Annotated[float | None, typer.Option(help="Minimum Kendall's W of the repeats (0 to 1).")] = None,
    min_consistency: Annotated[
        float | None, typer.Option(help="Minimum chance-corrected W, the mean correlation between repeats (-1 to 1).")
    ] = None,
    keep_top: Annotated[float | None, typer.Option(help="Share of prompts to keep, most consistent first.")] = None,
    min_position_consistency: Annotated[
        float | None, typer.Option(help="Minimum share of pairs judged alike in both orders.")
    ] = None,
    min_votes: Annotated[int | None, typer.Option(help="Minimum number of valid votes.")] = None,
    min_margin: Annotated[float | None, typer.Option(help="Minimum score difference between best and worst.")] = None,
    json: Json = False,
) -> None:
    """Keep the rankings that can be trusted; give a reason for each one dropped."""
    from ..pipeline import filter as stage

    summary = stage(
        rankings,
        output,
        dropped=dropped,
        min_w=min_w,
        min_consistency=min_consistency,
        keep_top=keep_top,
        min_position_consistency=min_position_consistency,
        min_votes=min_votes,
        min_margin=min_margin,
    )
    show_summary(summary, output, as_json=json)
