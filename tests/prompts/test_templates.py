import re
from importlib.resources import as_file, files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefpipe.pipeline.formats.prompts import read_prompts
from prefpipe.prompts import Template, load

FOLDER = files("prefpipe.prompts")
NAMES = sorted(file.name.removesuffix(".md") for file in FOLDER.iterdir() if file.name.endswith(".md"))

PLACES = {
    "pairwise": {"conversation", "reference", "A", "B"},
    "pairwise-json": {"conversation", "reference", "A", "B"},
    "listwise": {"conversation", "reference", "count", "responses", "comment_order", "example"},
    "listwise-json": {"conversation", "reference", "count", "responses", "comment_order", "example"},
}


def test_every_template_is_known_here() -> None:
    assert PLACES.keys() <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_template_says_why_it_is_worded_so_and_none_of_that_is_sent(name: str) -> None:
    written = FOLDER.joinpath(f"{name}.md").read_text("utf-8")
    why = written[: written.index("-->")]
    assert len(why) > 200
    template = load(name)
    for sent in (template.system, template.user):
        assert sent
        assert "<!--" not in sent
        assert "##" not in sent
    assert written.endswith(f"{template.user}\n")


@pytest.mark.parametrize("name", PLACES)
def test_a_template_has_exactly_the_places_that_its_protocol_fills(name: str) -> None:
    template = load(name)
    assert set(re.findall(r"\{\{(\w+)\}\}", template.system + template.user)) == PLACES[name]


@pytest.mark.parametrize("protocol", ["pairwise", "listwise"])
def test_judges_weigh_the_same_whatever_the_form_of_their_verdict(protocol: str) -> None:
    in_words, in_json = load(protocol), load(f"{protocol}-json")
    assert in_json.system == in_words.system
    assert "[[" not in in_json.user
    before = [template.user[: template.user.rindex("\n\n")] for template in (in_words, in_json)]
    assert before[0] == before[1]


VALUES = st.sampled_from(["{{a}}", "{{b}}", "{{c}}", "{{", "\\1", "\\g<0>"]) | st.text(max_size=5)


@given(st.fixed_dictionaries({"a": VALUES, "b": VALUES}))
def test_a_value_that_looks_like_a_place_is_left_alone(values: dict[str, str]) -> None:
    system, user = Template("test", "{{a}}", "<{{b}}|{{a}}|{{b}}>").render(values)
    assert system == {"role": "system", "content": values["a"]}
    assert user == {"role": "user", "content": f"<{values['b']}|{values['a']}|{values['b']}>"}


def test_a_place_without_a_value_is_an_error() -> None:
    with pytest.raises(KeyError, match="b"):
        Template("test", "{{a}}", "{{b}}").render({"a": "x"})


def test_a_template_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        load("pairwize")


def test_the_bundled_prompts_can_be_read_and_no_two_are_the_same() -> None:
    with as_file(FOLDER.joinpath("demo.jsonl")) as path:
        prompts = list(read_prompts(path))
    assert len(prompts) >= 40
    assert len({prompt["prompt_id"] for prompt in prompts}) == len(prompts)
