"""MobileNet v1 in plain PyTorch."""

from torch import nn

TABLE = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)]
TABLE += [(512, 1)] * 5 + [(1024, 2), (1024, 1)]


def separable(before: int, after: int, stride: int) -> list[nn.Module]:
    """A depthwise separable block."""
    return [
        nn.Conv2d(before, before, 3, stride, 1, groups=before, bias=False),
        nn.BatchNorm2d(before, eps=1e-3),
        nn.ReLU6(inplace=True),
        nn.Conv2d(before, after, 1, bias=False),
        nn.BatchNorm2d(after, eps=1e-3),
        nn.ReLU6(inplace=True),
    ]


def stem_and_blocks(alpha: float) -> nn.Sequential:
    """All but the head."""
    channels = int(32 * alpha)
    parts: list[nn.Module] = [
        nn.Conv2d(3, channels, 3, 2, 1, bias=False),
        nn.BatchNorm2d(channels, eps=1e-3),
        nn.ReLU6(inplace=True),
    ]
    for filters, stride in TABLE:
        parts += separable(channels, int(filters * alpha), stride)
        channels = int(filters * alpha)
    return nn.Sequential(*parts)


def head(channels: int, classes: int = 3) -> list[nn.Module]:
    """Pooling, dropout and the fully-connected layer."""
    return [
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(1e-3),
        nn.Linear(channels, classes),
    ]
