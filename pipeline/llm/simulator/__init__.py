"""An OpenAI-compatible server whose models have known abilities and known flaws, all deterministic in a seed.

What the pipeline recovers from its answers can be compared with the truth. It runs embedded, through
`Simulator.respond`, and on a port, through `run`, `running` or `serve`.
"""

from .batches import BatchRules
from .judging import pairwise_probabilities
from .models import PRESETS, SimulatedModel, parse_model
from .quality import author, quality
from .server import run, running, serve
from .service import Reply, Served, Simulator

__all__ = [
    "PRESETS",
    "BatchRules",
    "Reply",
    "Served",
    "SimulatedModel",
    "Simulator",
    "author",
    "pairwise_probabilities",
    "parse_model",
    "quality",
    "run",
    "running",
    "serve",
]
