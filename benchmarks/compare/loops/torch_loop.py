"""Trains the default network by PyTorch, on tensors."""

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

import torch
from torch import nn

from benchmarks.compare import recipe
from benchmarks.compare.loops import common
from trainer_module import features


def build() -> nn.Sequential:
    """The layers of `network.build`: float32 [N, 1, 28, 28] to logits [N, 10]."""

    def block(inputs: int, outputs: int) -> list[nn.Module]:
        # PyTorch's momentum is the share of what is new.
        norm = partial(nn.BatchNorm2d, outputs, eps=1e-3, momentum=0.1)
        convolution = partial(nn.Conv2d, kernel_size=3, padding=1, bias=False)
        return [
            *(convolution(inputs, outputs), norm(), nn.ReLU()),
            *(convolution(outputs, outputs), nn.MaxPool2d(2), norm(), nn.ReLU()),
        ]

    # Of an image that was halved twice.
    dense = nn.Linear((features.IMAGE_SIZE // 4) ** 2 * 16, features.NUM_CLASSES)
    return nn.Sequential(*block(1, 14), *block(14, 16), nn.Flatten(), dense)


def main() -> None:
    """Trains, measures on `test`, and prints what it took."""
    asked = common.parse(__doc__)
    torch.manual_seed(asked.seed)
    arrays = common.read(asked.data_dir, asked.max_examples)
    train, evaluation, test = map(_to_tensors, (arrays.train, arrays.eval, arrays.test))
    model = build().to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), recipe.RATE)
    steps = math.ceil(len(train[0]) / asked.batch_size)
    schedule = _schedule(optimizer, steps, asked.epochs)
    # A program for each size of batch, of which there are three.
    compiled = torch.compile(model, dynamic=False)
    precise = partial(torch.autocast, "cpu", torch.bfloat16, asked.precision == "bfloat16")
    seconds = []
    for _ in range(asked.epochs):
        start = time.perf_counter()
        model.train()
        for chosen in torch.randperm(len(train[0])).split(asked.batch_size):
            with precise():
                logits = compiled(train[0][chosen])
            loss = nn.functional.cross_entropy(logits.float(), train[1][chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        _measure(compiled, precise, *evaluation)
        seconds.append(time.perf_counter() - start)
    common.tell(seconds, *_measure(compiled, precise, *test))


def _to_tensors(arrays: tuple) -> tuple[torch.Tensor, torch.Tensor]:
    images, labels = map(torch.from_numpy, arrays)
    return images[:, None].contiguous(memory_format=torch.channels_last), labels


def _schedule(
    optimizer: torch.optim.Optimizer, steps_per_epoch: int, epochs: int
) -> torch.optim.lr_scheduler.LRScheduler:
    """As `network.compile_for` has it."""
    schedulers = torch.optim.lr_scheduler
    rise, fall = recipe.lengths(steps_per_epoch, epochs)
    return schedulers.SequentialLR(
        optimizer,
        [
            schedulers.LinearLR(optimizer, 1e-3, 1.0, rise),
            schedulers.CosineAnnealingLR(optimizer, fall, recipe.FINAL_FRACTION * recipe.RATE),
        ],
        [rise],
    )


@torch.no_grad()
def _measure(
    compiled: nn.Module,
    precise: Callable[[], AbstractContextManager],
    images: torch.Tensor,
    labels: torch.Tensor,
) -> tuple[float, float]:
    """Returns accuracy and loss."""
    compiled.eval()
    parts = images.split(1000)
    with precise():
        logits = torch.cat([compiled(part) for part in parts]).float()
    loss = nn.functional.cross_entropy(logits, labels)
    return (logits.argmax(1) == labels).float().mean().item(), loss.item()


if __name__ == "__main__":
    main()
