"""The freeze audit: a frozen weight that moved by one bit is named, and nothing is recorded."""

import numpy as np
import pytest

from transfer.errors import TransferError
from transfer.networks.architecture import Architecture
from transfer.networks.network import random_weights
from transfer.runs import parse_run
from transfer.studies.execute import audit

ARCHITECTURE = Architecture()
START = random_weights(ARCHITECTURE, 0)


def moved(*names):
    """The weights of a run after training: those of the start, and these one bit further."""
    return {k: np.nextafter(v, np.float32(9)) if k in names else v for k, v in START.items()}


@pytest.mark.parametrize("run", ["A3B_s0", "B3B_legacy_s0", "A3B_adapt_s0", "R3B_s0"])
def test_a_frozen_weight_that_moved_is_named(run):
    with pytest.raises(TransferError, match=rf"audit of {run}: conv_pw_3/kernel moved\. Nothing"):
        audit(parse_run(run), ARCHITECTURE, START, moved("conv_pw_3/kernel", "conv_dw_4/kernel"))


@pytest.mark.parametrize("run", ["A3B_s0", "B3B_legacy_s0", "A3B_adapt_s0", "R3B_s0"])
def test_weights_above_the_frozen_blocks_may_move(run):
    audit(parse_run(run), ARCHITECTURE, START, moved("conv_dw_4/kernel", "predictions/bias"))


def test_statistics_of_frozen_blocks_may_move_under_adapt_alone():
    after = moved("conv_pw_3_bn/moving_mean", "conv_pw_3_bn/moving_variance")
    audit(parse_run("A3B_adapt_s0"), ARCHITECTURE, START, after)
    for run in ("A3B_s0", "A3B_legacy_s0"):
        with pytest.raises(TransferError, match="conv_pw_3_bn/moving_mean moved"):
            audit(parse_run(run), ARCHITECTURE, START, after)


@pytest.mark.parametrize("run", ["baseB_s0", "baseB+_s0", "A3B+_s0", "sliced-3_s0"])
def test_where_nothing_is_frozen_everything_may_move(run):
    audit(parse_run(run), ARCHITECTURE, START, moved(*START))
