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


SCHEMA = {"type": "object", "properties": {"verdict": {"enum": ["A", "B"]}}}


@pytest.mark.parametrize(
    "model",
    [
        dataclasses.replace(MODEL, response_format="json_schema"),
        dataclasses.replace(MODEL, base_url=OPENAI_URL),
        dataclasses.replace(MODEL, simulated=True),
    ],
)
def test_a_schema_goes_to_models_that_are_known_to_take_one(model: Model) -> None:
    body = json.loads(chat(model, ASKED, SAMPLING, 0, schema=SCHEMA).body)
    form = {"name": "answer", "strict": True, "schema": SCHEMA}
    assert body["response_format"] == {"type": "json_schema", "json_schema": form}


@pytest.mark.parametrize(
    "model", [MODEL, dataclasses.replace(MODEL, base_url=OPENAI_URL, response_format="none")], ids=["unknown", "none"]
)
def test_a_schema_changes_nothing_for_models_that_are_not(model: Model) -> None:
    assert chat(model, ASKED, SAMPLING, 0, schema=SCHEMA) == chat(model, ASKED, SAMPLING, 0)


def test_probabilities_are_asked_for_with_as_many_alternatives_as_servers_give() -> None:
    body = json.loads(chat(MODEL, ASKED, Sampling(), 0, logprobs=True).body)
    assert body == {"model": "m", "messages": ASKED, "logprobs": True, "top_logprobs": 20}


def test_keys_are_what_they_always_were() -> None:
    simulated = dataclasses.replace(
        MODEL, sent_name="sim:judge", base_url="http://simulator.invalid/v1", simulated=True
    )
    assert chat(MODEL, ASKED, SAMPLING, 0).key == "634340c1dd91c87b62018b7fa1ac94d2"
    assert chat(simulated, ASKED, Sampling(), 2).key == "c86ec295fb9c006dd461e31af6f11cc8"


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
        chat(MODEL, ASKED, SAMPLING, 0, logprobs=True),
        chat(dataclasses.replace(MODEL, response_format="json_schema"), ASKED, SAMPLING, 0, schema=SCHEMA),
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
