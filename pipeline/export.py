"""export: kept rankings and their responses in, preferences for a trainer out."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

import pyarrow as pa

from .errors import UsageError, did_you_mean
from .formats import dpo
from .formats.responses import read_candidates
from .formats.rows import Row
from .ids import seed_of
from .reading import display, read
from .summary import Summary
from .tables import RANKINGS
from .writing import TableWriter, provenance_of


class PreferenceFormat(Protocol):
    """What a trainer reads."""

    @property
    def SCHEMA(self) -> pa.Schema:  # noqa: N802 - a constant of a module
        """The columns of a preference."""

    def row(
        self,
        chosen: Row,
        rejected: Row,
        chosen_score: float | None,
        rejected_score: float | None,
        consistency: float | None,
    ) -> Row:
        """Return one preference from two responses to the same prompt."""


FORMATS: Mapping[str, PreferenceFormat] = {dpo.NAME: dpo}
TIES = ("drop", "random")


class Pair(NamedTuple):
    """Which two candidates of a prompt become chosen and rejected."""

    chosen: str
    rejected: str
    chosen_score: float | None
    rejected_score: float | None
    consistency: float | None


def export(
    kept: str | Path,
    output: str | Path,
    *,
    responses: str | Path,
    format: str = dpo.NAME,  # noqa: A002 - the name of the option
    ties: str = "drop",
    seed: int = 0,
) -> Summary:
    """Write one preference for each ranking: its best candidate against its worst.

    Two candidates with the same text, and prompts whose candidates are all tied, never make a pair.

    Args:
        kept: A rankings table, filtered or not.
        output: Where the preferences go.
        responses: The responses table that was judged.
        format: What the trainer reads: "dpo" is TRL's explicit conversational form.
        ties: What to do where several candidates share the best or the worst rank: "drop" the prompt, or take one of
            them at "random", by the seed and the prompt's id.
        seed: For random ties.

    Raises:
        UsageError: A table cannot be used, or the responses are not those that were ranked.
    """
    for name, value, known in (("format", format, tuple(FORMATS)), ("ties", ties, TIES)):
        if value not in known:
            raise UsageError(f"There is no --{name} {value}.", did_you_mean(value, known))
    counts: Counter[str] = Counter()
    dropped: Counter[str] = Counter()
    chosen_pairs = _pairs(kept, ties, seed, counts, dropped)
    settings = {"format": format, "ties": ties, "seed": seed if ties == "random" else None}
    made = provenance_of("export", settings, [kept, responses], [output])
    target = FORMATS[format]
    with TableWriter(output, target.SCHEMA, made) as writer:
        writer.write_rows(_preferences(chosen_pairs, responses, dropped, target))
        if chosen_pairs:
            raise UsageError(
                f"{display(responses)} lacks the responses to {len(chosen_pairs):,} of the ranked prompts, "
                f"such as {next(iter(chosen_pairs))}.",
                "Name the responses file that was judged.",
            )
    return Summary(
        "export",
        str(output),
        "prompts",
        rows_in=counts["read"],
        rows_out=writer.rows,
        dropped=dict(dropped.most_common()),
        figures={"preferences": writer.rows},
        warnings=() if writer.rows else ("No preference was written.",),
    )


def _pairs(kept: str | Path, ties: str, seed: int, counts: Counter[str], dropped: Counter[str]) -> dict[str, Pair]:
    """Return the pair of each prompt that has one."""
    pairs: dict[str, Pair] = {}
    for table in read(kept, RANKINGS):
        for row in table.select(["prompt_id", "response_ids", "ranks", "scores", "consistency"]).to_pylist():
            counts["read"] += 1
            for name in ("ranks", "scores"):
                if row[name] is not None and len(row[name]) != len(row["response_ids"]):
                    raise UsageError(
                        f"{display(kept)}: '{name}' of the prompt {row['prompt_id']} has not as many entries as "
                        "'response_ids'.",
                        "Give each candidate one, or null.",
                    )
            pair, reason = best_against_worst(row, ties, seed)
            if reason is not None:
                dropped[reason] += 1
            elif pair is not None:
                if row["prompt_id"] in pairs:
                    raise UsageError(
                        f"{display(kept)} ranks the prompt {row['prompt_id']} twice.", "Remove one of the rows."
                    )
                pairs[row["prompt_id"]] = pair
    return pairs


def best_against_worst(ranking: Row, ties: str, seed: int) -> tuple[Pair | None, str | None]:
    """Return the pair of a ranking's best and worst candidate, or the reason why there is none."""
    ids, ranks = ranking["response_ids"], ranking["ranks"]
    scores = ranking["scores"] or [None] * len(ids)
    if not ranks or None in ranks:
        return None, "without a ranking"
    best = [place for place, rank in enumerate(ranks) if rank == min(ranks)]
    worst = [place for place, rank in enumerate(ranks) if rank == max(ranks)]
    if len(ids) < 2 or min(ranks) == max(ranks):
        return None, "whose candidates are all tied"
    if ties == "drop" and len(best) > 1:
        return None, "with a tie for the best"
    if ties == "drop" and len(worst) > 1:
        return None, "with a tie for the worst"
    top = best[seed_of(seed, ranking["prompt_id"], "best") % len(best)]
    bottom = worst[seed_of(seed, ranking["prompt_id"], "worst") % len(worst)]
    return Pair(ids[top], ids[bottom], scores[top], scores[bottom], ranking["consistency"]), None


def _preferences(
    pairs: dict[str, Pair], responses: str | Path, dropped: Counter[str], target: PreferenceFormat
) -> Iterator[Row]:
    """Yield the preferences of all pairs whose texts differ, in the order of the responses; use the pairs up."""
    for candidates in read_candidates(responses):
        pair = pairs.pop(candidates[0]["prompt_id"], None)
        if pair is None:
            continue
        by_id = {row["response_id"]: row for row in candidates}
        if not {pair.chosen, pair.rejected} <= by_id.keys():
            raise UsageError(
                f"{display(responses)} lacks a ranked response to the prompt {candidates[0]['prompt_id']}.",
                "Name the responses file that was judged; answers that were generated anew have other ids.",
            )
        chosen, rejected = by_id[pair.chosen], by_id[pair.rejected]
        if not (chosen["content"] and rejected["content"]):
            dropped["with a response that has no text"] += 1
        elif chosen["content"].strip() == rejected["content"].strip():
            dropped["whose best and worst have the same text"] += 1
        else:
            yield target.row(chosen, rejected, pair.chosen_score, pair.rejected_score, pair.consistency)
