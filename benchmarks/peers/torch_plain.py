"""The same network in plain PyTorch, channels last."""

from work import BATCH, CLASSES, IMAGES, SIZE, arguments, images_and_labels, report

ALPHA, THREADS, SECONDS = arguments()

import torch  # noqa: E402 - threads are set before libraries start
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402
from torch_network import head, stem_and_blocks  # noqa: E402

torch.set_num_threads(THREADS)
torch.set_num_interop_threads(1)
numpy_images, numpy_labels = images_and_labels()
images = torch.from_numpy(numpy_images)
labels = torch.from_numpy(numpy_labels)
model = nn.Sequential(*stem_and_blocks(ALPHA), *head(int(1024 * ALPHA), CLASSES))
model = model.to(memory_format=torch.channels_last).train()
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
