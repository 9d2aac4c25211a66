import pytest

from prefpipe.pipeline.judging.protocols import PROTOCOLS


@pytest.mark.parametrize("name", PROTOCOLS)
@pytest.mark.parametrize("orders", ["both", "one"])
@pytest.mark.parametrize("candidates", range(2, 6))
def test_the_questions_are_as_many_as_were_counted_before(name: str, orders: str, candidates: int) -> None:
    protocol = PROTOCOLS[name]
    asked = list(protocol.questions(candidates, 3, orders, 0, "p"))
    assert len(asked) == 3 * protocol.count(candidates, orders)


def test_each_protocol_stands_under_its_own_name() -> None:
    assert {name: protocol.NAME for name, protocol in PROTOCOLS.items()} == {
        "pairwise": "pairwise",
        "listwise": "listwise",
    }


@pytest.mark.parametrize("name", PROTOCOLS)
def test_orders_change_the_questions_only_where_a_protocol_has_orders(name: str) -> None:
    protocol = PROTOCOLS[name]
    both, one = (list(protocol.questions(4, 2, orders, 0, "p")) for orders in ("both", "one"))
    assert (both != one) == protocol.HAS_ORDERS
