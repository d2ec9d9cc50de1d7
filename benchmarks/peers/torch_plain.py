"""The same network in plain PyTorch, channels last."""

from work import BATCH, CLASSES, IMAGES, SIZE, arguments, images_and_labels, report

ALPHA, THREADS, SECONDS = arguments()

import torch  # noqa: E402 - threads are set before libraries start
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

TABLE = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)]
TABLE += [(512, 1)] * 5 + [(1024, 2), (1024, 1)]


def separable(before: int, after: int, stride: int) -> list[nn.Module]:
    return [
        nn.Conv2d(before, before, 3, stride, 1, groups=before, bias=False),
        nn.BatchNorm2d(before, eps=1e-3),
        nn.ReLU6(inplace=True),
        nn.Conv2d(before, after, 1, bias=False),
        nn.BatchNorm2d(after, eps=1e-3),
        nn.ReLU6(inplace=True),
    ]


def mobilenet() -> nn.Sequential:
    channels = int(32 * ALPHA)
    parts: list[nn.Module] = [
        nn.Conv2d(3, channels, 3, 2, 1, bias=False),
        nn.BatchNorm2d(channels, eps=1e-3),
        nn.ReLU6(inplace=True),
    ]
    for filters, stride in TABLE:
        parts += separable(channels, int(filters * ALPHA), stride)
        channels = int(filters * ALPHA)
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(1e-3), nn.Linear(channels, CLASSES)]
    return nn.Sequential(*parts, *head)


torch.set_num_threads(THREADS)
torch.set_num_interop_threads(1)
numpy_images, numpy_labels = images_and_labels()
images = torch.from_numpy(numpy_images)
labels = torch.from_numpy(numpy_labels)
model = mobilenet().to(memory_format=torch.channels_last).train()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)


def epoch() -> None:
    order = torch.randperm(IMAGES)
    for start in range(0, IMAGES, BATCH):
        chosen = order[start : start + BATCH]
        batch = images[chosen].permute(0, 3, 1, 2).float()  # strides are those of channels last
        batch = functional.interpolate(batch, SIZE, mode="bilinear") / 127.5 - 1.0
        optimizer.zero_grad(set_to_none=True)
        functional.cross_entropy(model(batch), labels[chosen]).backward()
        optimizer.step()


buffers = [b for name, b in model.named_buffers() if name.endswith(("mean", "var"))]
count = sum(tensor.numel() for tensor in [*model.parameters(), *buffers])
report(epoch, SECONDS, count)
