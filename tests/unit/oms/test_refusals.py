"""What a refusal says was expected."""

from ccxt_driver.oms.refusals import one_of


def test_a_few_names_are_all_told() -> None:
    assert one_of({"b", "a"}, "c") == "expected one of a, b"


def test_of_thousands_of_names_those_that_are_like_it_are_told() -> None:
    known = [f"COIN{number}/USDT" for number in range(4000)] + ["BTC/USDT"]
    assert one_of(known, "BTC/USTD") == "expected one of 4001, such as BTC/USDT"
    assert one_of(known, {}) == "expected one of 4001"
