"""What a person asks for in words."""

import pytest

from transfer.errors import UsageError
from transfer.runs import PRESETS, PROTOCOLS
from transfer.studies.ask import ask


def test_nothing_asked_is_the_preset():
    for name, preset in PRESETS.items():
        assert ask(name) == preset.study


def test_every_part_can_be_asked_for():
    study = ask(
        "quick",
        kinds="baseB, AnB",
        n="1-3,7",
        seeds="0,5",
        bn="inference,legacy",
        fractions="0.1,1",
        source="imagenet",
        alpha=0.5,
        input="96x128",
        protocol="reference",
        epochs=2,
        batch=8,
    )
    assert study.kinds == ("baseB", "AnB")
    assert study.n == (1, 2, 3, 7)
    assert study.seeds == (0, 5)
    assert study.bn == ("inference", "legacy")
    assert study.fractions == (0.1, 1.0)
    assert (study.source, study.alpha, study.input_size) == ("imagenet", 0.5, (96, 128))
    assert (study.protocol.epochs, study.protocol.batch) == (2, 8)
    assert study.protocol.learning_rate == PROTOCOLS["reference"].learning_rate


def test_another_backbone_brings_its_blocks_and_its_width():
    quick = ask("quick", backbone="mobilenet_v2")
    assert (quick.backbone, quick.alpha) == ("mobilenet_v2", 0.35)
    assert quick.n == (1, 4, 7, 10, 13, 16, 17)
    assert ask("full", backbone="mobilenet_v3_small").n == tuple(range(12))
    assert ask("paper", backbone="mobilenet_v2").alpha == 1  # the preset's own
    assert ask("quick", backbone="mobilenet_v2", alpha=1.0, n="17").n == (17,)
    assert ask("quick", backbone="mobilenet") == PRESETS["quick"].study


@pytest.mark.parametrize(
    "wrong",
    [
        {"backbone": "vgg16"},
        {"backbone": "mobilenet_v2", "n": "18"},
        {"n": "14"},
        {"backbone": "resnet50", "alpha": 0.5},
        {"kinds": "baseC"},
        {"kinds": ""},
        {"n": "a"},
        {"n": "3-1"},
        {"n": "0-99999"},
        {"seeds": "-1"},
        {"bn": "frozen"},
        {"fractions": "half"},
        {"fractions": ""},
        {"input": "48"},
        {"epochs": 0},
        {"batch": -3},
    ],
)
def test_what_is_not_understood_is_said(wrong):
    with pytest.raises(UsageError, match="Expected|has 1[37] blocks"):
        ask("quick", **wrong)


@pytest.mark.parametrize("bn", ["legacy", "adapt"])
def test_a_backbone_without_batch_norm_refuses_its_semantics_in_one_sentence(bn):
    with pytest.raises(UsageError) as error:
        ask("quick", backbone="convnext_tiny", bn=bn)
    assert str(error.value) == (
        f"convnext_tiny has no BatchNorm, so {bn} has no meaning: leave --bn at inference."
    )
