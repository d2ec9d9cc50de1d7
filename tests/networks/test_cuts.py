"""The committed tables of cuts against what the blocks' definitions in the papers count to."""

from pathlib import Path

import pandas as pd
import pytest

from transfer.networks.backbone import BACKBONES

CUTS = pd.read_csv(Path(__file__).parents[2] / "benchmarks/results/cuts.csv")
SIDE = 224


class Count:
    """Parameters and multiply-adds of one block, layer by layer, on maps of side x side."""

    def __init__(self, stride_before):
        self.stride, self.parameters, self.multiply_adds = stride_before, 0, 0

    def conv(self, kernel, inputs, outputs, stride=1, bias=False, norm=4):
        """``norm``: values a channel of the normalisation that follows (BatchNorm: 4)."""
        self.stride *= stride
        weights = kernel * kernel * inputs * outputs
        self.parameters += weights + outputs * bias + norm * outputs
        self.multiply_adds += weights * (SIDE // self.stride) ** 2

    def depthwise(self, kernel, channels, stride=1, bias=False, norm=4):
        self.conv(kernel, 1, channels, stride, bias, norm)

    def squeeze(self, channels, hidden):
        """Squeeze-and-excite (Hu et al. 2018): two layers with bias on one position."""
        self.parameters += 2 * channels * hidden + hidden + channels
        self.multiply_adds += 2 * channels * hidden


def rounded(channels):
    """To a multiple of 8, down by at most a tenth (Sandler et al. 2018, their code)."""
    new = max(8, int(channels + 4) // 8 * 8)
    return new + 8 if new < 0.9 * channels else new


def inverted_residual(block, inputs, hidden, outputs, kernel, stride, squeezed=0):
    if hidden != inputs:
        block.conv(1, inputs, hidden)
    block.depthwise(kernel, hidden, stride)
    if squeezed:
        block.squeeze(hidden, squeezed)
    block.conv(1, hidden, outputs)


def mobilenet(begin):
    """Howard et al. 2017, table 1."""
    begin().conv(3, 3, 32, 2)
    inputs = 32
    for outputs, stride in zip(
        (64, 128, 128, 256, 256, *[512] * 6, 1024, 1024),
        (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1),
        strict=True,
    ):
        block = begin()
        block.depthwise(3, inputs, stride)
        block.conv(1, inputs, outputs)
        inputs = outputs
    return block


def mobilenet_v2(begin):
    """Sandler et al. 2018, table 2."""
    begin().conv(3, 3, 32, 2)
    inputs = 32
    for expansion, outputs, repeats, first in (
        *((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1)),
        *((6, 160, 3, 2), (6, 320, 1, 1)),
    ):
        for number in range(repeats):
            block = begin()
            stride = 1 if number else first
            inverted_residual(block, inputs, expansion * inputs, outputs, 3, stride)
            inputs = outputs
    block.conv(1, 320, 1280)


def v3(begin, rows, last):
    begin().conv(3, 3, 16, 2)
    inputs = 16
    for kernel, hidden, outputs, squeeze, stride in rows:
        block = begin()
        squeezed = rounded(hidden / 4) if squeeze else 0
        inverted_residual(block, inputs, hidden, outputs, kernel, stride, squeezed)
        inputs = outputs
    block.conv(1, inputs, last)


def mobilenet_v3_small(begin):
    """Howard et al. 2019, table 2; without SE in the last convolution, as Keras has it."""
    rows = [(3, 16, 16, 1, 2), (3, 72, 24, 0, 2), (3, 88, 24, 0, 1), (5, 96, 40, 1, 2)]
    rows += [(5, 240, 40, 1, 1)] * 2 + [(5, 120, 48, 1, 1), (5, 144, 48, 1, 1)]
    rows += [(5, 288, 96, 1, 2)] + [(5, 576, 96, 1, 1)] * 2
    v3(begin, rows, 576)


def mobilenet_v3_large(begin):
    """Howard et al. 2019, table 1."""
    rows = [(3, 16, 16, 0, 1), (3, 64, 24, 0, 2), (3, 72, 24, 0, 1)]
    rows += [(5, 72, 40, 1, 2)] + [(5, 120, 40, 1, 1)] * 2
    rows += [(3, 240, 80, 0, 2), (3, 200, 80, 0, 1)] + [(3, 184, 80, 0, 1)] * 2
    rows += [(3, 480, 112, 1, 1), (3, 672, 112, 1, 1)]
    rows += [(5, 672, 160, 1, 2)] + [(5, 960, 160, 1, 1)] * 2
    v3(begin, rows, 960)


def efficientnet_b0(begin):
    """Tan and Le 2019, table 1; SE with a quarter of the block's input channels."""
    begin().conv(3, 3, 32, 2)
    inputs = 32
    for expansion, kernel, outputs, repeats, first in (
        *((1, 3, 16, 1, 1), (6, 3, 24, 2, 2), (6, 5, 40, 2, 2), (6, 3, 80, 3, 2)),
        *((6, 5, 112, 3, 1), (6, 5, 192, 4, 2), (6, 3, 320, 1, 1)),
    ):
        for number in range(repeats):
            block = begin()
            hidden, stride = expansion * inputs, 1 if number else first
            inverted_residual(block, inputs, hidden, outputs, kernel, stride, inputs // 4)
            inputs = outputs
    block.conv(1, 320, 1280)


def efficientnet_v2_b0(begin):
    """Tan and Le 2021: three stages of Fused-MBConv, three of MBConv, as their code has B0."""
    begin().conv(3, 3, 32, 2)
    inputs = 32
    for fused, expansion, outputs, repeats, first in (
        *((1, 1, 16, 1, 1), (1, 4, 32, 2, 2), (1, 4, 48, 2, 2)),
        *((0, 4, 96, 3, 2), (0, 6, 112, 5, 1), (0, 6, 192, 8, 2)),
    ):
        for number in range(repeats):
            block = begin()
            hidden, stride = expansion * inputs, 1 if number else first
            if not fused:
                inverted_residual(block, inputs, hidden, outputs, 3, stride, inputs // 4)
            elif expansion == 1:
                block.conv(3, inputs, outputs, stride)
            else:
                block.conv(3, inputs, hidden, stride)
                block.conv(1, hidden, outputs)
            inputs = outputs
    block.conv(1, 192, 1280)


def resnet50(begin):
    """He et al. 2016, table 1; convolutions have a bias, and 1x1 the stride, as in Keras."""
    stem = begin()
    stem.conv(7, 3, 64, 2, bias=True)
    stem.stride *= 2  # max pooling
    inputs = 64
    for stage, (width, repeats) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3))):
        for number in range(repeats):
            block = begin()
            block.conv(1, inputs, width, 2 if stage and not number else 1, bias=True)
            block.conv(3, width, width, bias=True)
            block.conv(1, width, 4 * width, bias=True)
            if not number:  # the shortcut
                block.conv(1, inputs, 4 * width, bias=True)
            inputs = 4 * width


def convnext_tiny(begin):
    """Liu et al. 2022: LayerNorm has 2 values a channel, LayerScale 1."""
    begin().conv(4, 3, 96, 4, bias=True, norm=2)
    inputs = 96
    for width, repeats in ((96, 3), (192, 3), (384, 9), (768, 3)):
        for number in range(repeats):
            block = begin()
            if width != inputs and not number:  # LayerNorm, then 2x2
                block.parameters += 2 * inputs
                block.conv(2, inputs, width, 2, bias=True, norm=0)
                inputs = width
            block.depthwise(7, width, bias=True, norm=2)
            block.conv(1, width, 4 * width, bias=True, norm=0)
            block.conv(1, 4 * width, width, bias=True, norm=1)
    block.parameters += 2 * 768  # the LayerNorm after the last block


@pytest.mark.parametrize("name", [name for name in BACKBONES if name != "mobilenet"])
def test_a_stage_is_blocks_with_maps_of_one_size(name):
    strides = CUTS[(CUTS["backbone"] == name) & (CUTS["n"] > 0)]
    begins = strides.groupby("stride")["n"].min()
    assert BACKBONES[name].stages == tuple(begins)


@pytest.mark.parametrize("name", BACKBONES)
def test_the_table_is_what_the_definition_counts_to(name):
    blocks = []

    def begin():
        blocks.append(Count(blocks[-1].stride if blocks else 1))
        return blocks[-1]

    globals()[name](begin)  # the definition above of that name
    table = CUTS[CUTS["backbone"] == name]
    for column in ("stride", "parameters", "multiply_adds"):
        assert table[column].tolist() == [getattr(block, column) for block in blocks], column
    for column in ("parameters", "multiply_adds"):
        share = table[column].cumsum() / table[column].sum()
        assert table[f"{column}_up_to"].tolist() == pytest.approx(share.tolist(), abs=6e-5)
