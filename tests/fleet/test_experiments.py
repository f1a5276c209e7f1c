"""The experiments with breaker and hedge, in small: they run, and show what their pages say."""

from __future__ import annotations

import pytest

from benchmarks import hedging, outage
from resilient_stream import Hedge


def test_a_learned_hedge_halves_the_slowest_starts_for_a_tenth_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """The 99th percentile of a heavy-tailed target, and the tokens that the races cost."""
    monkeypatch.setattr(hedging, "CALLS", 600)
    alone, raced = hedging.simulate(None), hedging.simulate(Hedge(after="p95"))
    assert raced.percentile(99) < alone.percentile(99) / 2
    assert raced.cost(1) < alone.cost(1) * 1.1


def test_a_breaker_sees_cuts_that_statuses_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a minute of answers that break off: by their statuses all is well; ours leaves the target."""
    for name, value in (("SECONDS", 50.0), ("BEGINS", 5.0), ("ENDS", 40.0), ("RATE", 5.0)):
        monkeypatch.setattr(outage, name, value)
    cuts = next(scenario for scenario in outage.SCENARIOS if scenario.title.startswith("cuts"))
    blind, ours = (outage.row_of(outage.simulate(cuts, variant)) for variant in outage.VARIANTS[1:3])
    assert blind.failed == blind.calls
    assert ours.failed < ours.calls / 2
    assert (blind.detected, ours.ejections) == (None, 0)
