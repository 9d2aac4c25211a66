"""prefpipe demo."""

from pathlib import Path
from typing import Annotated

import typer

from .progress import progress
from .terminal import show_findings, show_summary


def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder for all tables.")] = Path("demo"),
) -> None:
    """Run the whole chain on bundled prompts with simulated models; show the findings beside the truth."""
    from ..pipeline.demo import demo as run
    from ..pipeline.summary import Summary

    for outcome in run(output, progress):
        if isinstance(outcome, Summary):
            show_summary(outcome)
        else:
            show_findings([(finding.name, finding.found, finding.true) for finding in outcome])
