"""The soak itself takes half an hour and is run by hand; here it runs for seconds, to keep it working."""

from __future__ import annotations

import sys
from contextlib import ExitStack

import pytest

from .programs import Sample, Soak, describe, gateway, is_flat


@pytest.mark.sockets
@pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")
def test_programs_run_and_leave_nothing_open() -> None:
    with ExitStack() as stack:
        gateways = [stack.enter_context(gateway(kind)) for kind in ("contract", "lagging")]
        soak = Soak(gateways, 3.0)
        soak.run(0.5)

    assert [describe(error) for error in soak.failures] == []
    assert soak.orders > 0
    assert soak.samples  # how many depends on what else the machine does


def test_what_grows_is_found_out() -> None:
    def samples(growth: int) -> list[Sample]:
        return [Sample(each, 1000 + growth * each, 10 + growth * each, 3, 3) for each in range(12)]

    assert is_flat(samples(0)) == []
    assert len(is_flat(samples(20))) == 2
