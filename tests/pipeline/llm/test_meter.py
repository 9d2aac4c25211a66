from dataclasses import astuple

from prefpipe.pipeline.llm.meter import ModelSpend


def test_the_spend_of_a_model_counts_what_was_sent_and_what_was_saved_apart() -> None:
    use = ModelSpend("m", "http://a/v1")
    use.count_sent(10, 5, 0.5)
    use.count_sent(None, None, None)
    use.count_from_store(0.25)
    use.count_from_store(None)
    assert astuple(use) == ("m", "http://a/v1", 2, 2, 10, 5, 0.5, 0.25, 1, 1)
