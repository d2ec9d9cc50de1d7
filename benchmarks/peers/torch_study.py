"""The same as keras_study.py in plain PyTorch, channels last."""

from study_work import BATCH, EPOCHS, arguments, split

DATA, BASE_A, THREADS, NETWORKS = arguments()

import copy  # noqa: E402 - threads are set before libraries start
import json  # noqa: E402
import time  # noqa: E402

import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402
from torch_network import head, stem_and_blocks  # noqa: E402

torch.set_num_threads(THREADS)
torch.set_num_interop_threads(1)
STEM, BLOCK = 3, 6  # modules of each


def tensors(name: str) -> tuple[torch.Tensor, torch.Tensor]:
    images, labels = split(DATA, name)
    return torch.from_numpy(images), torch.from_numpy(labels)


def prepare(images: torch.Tensor) -> torch.Tensor:
    batch = images.permute(0, 3, 1, 2).float()  # strides are those of channels last
    return functional.interpolate(batch, (48, 80), mode="bilinear") / 127.5 - 1.0


def from_keras(body: nn.Sequential, weights: dict[str, np.ndarray]) -> None:
    """Layers come in the same order: (in, out) kernels become (out, in) ones."""
    names = list(dict.fromkeys(name.split("/")[0] for name in weights))
    modules = [module for module in body if isinstance(module, nn.Conv2d | nn.BatchNorm2d)]
    with torch.no_grad():
        for name, module in zip(names, modules, strict=False):
            found = {k.split("/")[1]: torch.from_numpy(v) for k, v in weights.items()
                     if k.split("/")[0] == name}  # fmt: skip
            if isinstance(module, nn.Conv2d):
                order = (2, 3, 0, 1) if module.groups > 1 else (3, 2, 0, 1)
                module.weight.copy_(found["kernel"].permute(order))
                continue
            module.weight.copy_(found["gamma"])
            module.bias.copy_(found["beta"])
            module.running_mean.copy_(found["moving_mean"])
            module.running_var.copy_(found["moving_variance"])


@torch.no_grad()
def accuracy(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    model.eval()
    parts = [model(prepare(images[i : i + 128])).argmax(1) for i in range(0, len(images), 128)]
    return (torch.cat(parts) == labels).float().mean().item()


def train(model: nn.Sequential, frozen: nn.Sequential | None) -> int:
    """Reference protocol: inverse time decay, early stopping, best weights; number of epochs."""
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=0.01, momentum=0.9)
    images, labels = TRAIN
    step, awaited, waited, best, best_state = 0, -1.0, 0, -1.0, None
    for epoch in range(1, EPOCHS + 1):
        model.train()
        if frozen is not None:
            frozen.eval()  # its BatchNorm keeps its statistics
        order = torch.randperm(len(images))
        for start in range(0, len(images), BATCH):
            chosen = order[start : start + BATCH]
            for group in optimizer.param_groups:
                group["lr"] = 0.01 / (1 + 0.0005 * step)
            optimizer.zero_grad(set_to_none=True)
            functional.cross_entropy(model(prepare(images[chosen])), labels[chosen]).backward()
            optimizer.step()
            step += 1
        seen = accuracy(model, *VALID)
        if seen > best:
            best, best_state = seen, copy.deepcopy(model.state_dict())
        if seen > awaited + 1e-4:
            awaited, waited = seen, 0
        else:
            waited += 1
        if waited >= 3 or epoch == EPOCHS:
            model.load_state_dict(best_state)
            return epoch
    raise AssertionError("no epochs")


TRAIN, VALID, TEST = tensors("train"), tensors("valid"), tensors("test")
base_a = dict(np.load(BASE_A))
base_b = nn.Sequential()
rows = []
for kind, n in NETWORKS:
    start = time.perf_counter()
    body = stem_and_blocks(0.25)
    if kind != "baseB":
        base = stem_and_blocks(0.25)
        from_keras(base, base_a)
        first = STEM + n * BLOCK
        copied = (base_b if kind == "BnB" else base)[:first]
        body = copied if kind == "sliced" else nn.Sequential(*copied, *body[first:])
        body = copy.deepcopy(body)
    frozen = body[: STEM + n * BLOCK] if kind in ("BnB", "AnB") else None
    if frozen is not None:
        frozen.requires_grad_(False)
    channels = [m.num_features for m in body if isinstance(m, nn.BatchNorm2d)][-1]
    model = nn.Sequential(*body, *head(channels)).to(memory_format=torch.channels_last)
    epochs = train(model, frozen)
    if kind == "baseB":
        base_b = model[: len(body)]
    found = accuracy(model, *TEST)
    rows.append(
        {
            "kind": kind,
            "n": n,
            "seconds": time.perf_counter() - start,
            "epochs": epochs,
            "test_accuracy": found,
        }
    )
print(json.dumps(rows))
