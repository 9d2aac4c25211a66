import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefpipe.pipeline.llm.models import OPENAI_URL, Model
from prefpipe.pipeline.llm.requests import Sampling, chat

MODEL = Model("m", "m", "http://host/v1", "KEY")
ASKED = [{"role": "user", "content": "hello"}]
SAMPLING = Sampling(temperature=0.5, max_tokens=10, seed=1)


def test_the_body_is_what_was_asked_for() -> None:
    body = json.loads(chat(MODEL, ASKED, SAMPLING, 0).body)
    assert body.pop("seed") >= 0
    assert body == {"model": "m", "messages": ASKED, "temperature": 0.5, "max_tokens": 10}


def test_what_was_not_given_is_not_sent() -> None:
    assert json.loads(chat(MODEL, ASKED, Sampling(), 0).body) == {"model": "m", "messages": ASKED}


def test_openai_gets_the_limit_under_its_new_name() -> None:
    model = dataclasses.replace(MODEL, base_url=OPENAI_URL)
    assert json.loads(chat(model, ASKED, SAMPLING, 0).body)["max_completion_tokens"] == 10


def test_a_simulated_model_always_gets_a_seed() -> None:
    model = dataclasses.replace(MODEL, simulated=True)
    assert "seed" in json.loads(chat(model, ASKED, Sampling(), 0).body)


def test_repeats_have_seeds_of_their_own() -> None:
    seeds = {json.loads(chat(MODEL, ASKED, SAMPLING, repeat).body)["seed"] for repeat in range(5)}
    assert len(seeds) == 5


@pytest.mark.parametrize(
    "other",
    [
        chat(dataclasses.replace(MODEL, base_url="http://other/v1"), ASKED, SAMPLING, 0),
        chat(dataclasses.replace(MODEL, sent_name="n"), ASKED, SAMPLING, 0),
        chat(MODEL, [{"role": "system", "content": "."}, *ASKED], SAMPLING, 0),
        chat(MODEL, [{"role": "user", "content": "hello "}], SAMPLING, 0),
        chat(MODEL, ASKED, dataclasses.replace(SAMPLING, temperature=0.6), 0),
        chat(MODEL, ASKED, dataclasses.replace(SAMPLING, max_tokens=11), 0),
        chat(MODEL, ASKED, dataclasses.replace(SAMPLING, seed=2), 0),
        chat(MODEL, ASKED, SAMPLING, 1),
        chat(MODEL, ASKED, Sampling(), 0),
        chat(MODEL, ASKED, Sampling(), 1),
    ],
)
def test_whatever_is_sent_differently_has_another_key(other: object) -> None:
    assert getattr(other, "key") != chat(MODEL, ASKED, SAMPLING, 0).key  # noqa: B009


@given(st.text(), st.text())
def test_equal_keys_mean_equal_bodies(one: str, other: str) -> None:
    first, second = (chat(MODEL, [{"role": "user", "content": text}], SAMPLING, 0) for text in (one, other))
    assert (first.key == second.key) == (one == other)


def test_the_name_in_tables_and_the_key_variable_do_not_matter() -> None:
    renamed = dataclasses.replace(MODEL, name="nick", key_variable="OTHER")
    assert chat(renamed, ASKED, SAMPLING, 0).key == chat(MODEL, ASKED, SAMPLING, 0).key
