from dataclasses import replace
from itertools import pairwise

import pytest

from prefpipe.pipeline.errors import UsageError
from prefpipe.pipeline.llm.simulator.models import PRESETS, TRAITS, parse_model


def test_a_bare_name_is_the_preset_itself() -> None:
    for name, preset in PRESETS.items():
        assert parse_model(name) == preset
        assert preset.name == name


def test_the_prefix_sim_makes_no_difference() -> None:
    assert parse_model("sim:judge?seed=3") == parse_model("judge?seed=3")


def test_the_generators_are_ordered_as_their_names_say() -> None:
    abilities = [PRESETS[name].ability for name in ("strong", "good", "fair", "weak")]
    assert all(better - worse >= 0.5 for better, worse in pairwise(abilities))


def test_traits_after_the_question_mark_change_only_themselves() -> None:
    model = parse_model("biased-judge?position_bias=-0.5&seed=7&context=100")
    expected = replace(PRESETS["biased-judge"], name=model.name, position_bias=-0.5, seed=7, context=100)
    assert model == expected
    assert model.name == "biased-judge?position_bias=-0.5&seed=7&context=100"
    assert model.family == "biased-judge"


def test_defaults_stand_before_the_preset_and_behind_the_name() -> None:
    model = parse_model("strong?latency=2", {"latency": 1.0, "ability": 9.0})
    assert (model.latency, model.ability) == (2.0, 9.0)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("stong", "Did you mean 'strong'?"),
        ("strong?abilty=1", "Did you mean 'ability'?"),
        ("qqqq", "Known: strong, good, fair, weak, judge, biased-judge, noisy-judge, coin-judge."),
    ],
)
def test_an_unknown_word_is_refused_with_the_nearest_known_one(name: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_model(name)
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("strong?ability=high", "is not a number, which ability must be"),
        ("strong?seed=1.5", "is not a whole number, which seed must be"),
        ("strong?ability", "is not a number"),
        ("strong?", "is not a trait"),
        ("strong?seed=1&seed=2", "twice"),
        ("strong?invalid=1.1", "between 0 and 1"),
        ("strong?drop=-0.1", "between 0 and 1"),
        ("strong?ability=nan", "finite"),
        ("strong?latency=-1", "cannot be negative"),
        ("strong?verbosity=0", "above 0"),
        ("strong?context=0", "at least 1"),
        ("strong?invalid=0.6&refuse=0.6", "sum to more than 1"),
        ("strong?drop=0.6&error_429=0.6", "sum to more than 1"),
        ("strong?drop=0.6&expire=0.6", "sum to more than 1"),
        ("strong?batch_looks=-1", "cannot be negative"),
    ],
)
def test_a_value_without_meaning_is_refused(name: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        parse_model(name)


def test_an_unknown_default_is_refused() -> None:
    with pytest.raises(UsageError, match="not a trait"):
        parse_model("strong", {"speed": 1})


def test_failures_and_latency_leave_the_voice_as_it_is_and_all_else_changes_it() -> None:
    silent = {"invalid", "refuse", "truncate", "error_429", "error_500", "drop", "garbage"}
    silent |= {"failures_in_a_row", "retry_after", "latency", "latency_spread", "context"}
    silent |= {"expire", "batch_looks", "batch_seconds"}
    plain = parse_model("judge").voice
    for trait in TRAITS:
        value = "1" if trait != "verbosity" else "2"
        assert (parse_model(f"judge?{trait}={value}").voice == plain) is (trait in silent), trait


def test_presets_have_voices_of_their_own() -> None:
    assert len({preset.voice for preset in PRESETS.values()}) == len(PRESETS)
