"""Time of a training step on a GPU: with plain PyTorch, with our kernels, and with CUDA graphs.

    python benchmarks/gpu_step.py [--preset lite] [--batch 256] [--size 384] [--kernels 30]

It uses random images and people, so it needs no data. First it compares our kernels with PyTorch in float64, and exits
with 1 if the error of one exceeds bf16 rounding. Then it prints, for each variant, the time of a step, images per
second, and the CPU time to launch it; finally it lists the slowest kernels.
"""

from __future__ import annotations

import argparse
import sys
import time

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from votepose.data.loader import Batch
from votepose.models.posenet import PoseNet
from votepose.models.presets import preset
from votepose.skeleton import COCO_17
from votepose.training.kernels.accelerate import accelerate
from votepose.training.recipes import recipe
from votepose.training.stages.votes import VoteStage

_PEOPLE = 2.7  # per image, as in COCO
_ROUNDING = 0.004  # relative rounding error of bf16
_STEPS = 8
DEVICE = torch.device("cuda")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="lite")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--size", type=int, default=384)
    parser.add_argument("--kernels", type=int, default=30, help="number of kernels to list")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        print("no CUDA device found", file=sys.stderr)
        return 2
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {options}")
    wrong = compare_kernels()
    batch = random_batch(options.batch, options.size)
    for way in ("as PyTorch runs it", "our kernels", "our kernels in CUDA graphs"):
        torch.manual_seed(0)
        network = PoseNet(preset(options.preset).network).to(DEVICE, memory_format=torch.channels_last).train()
        chosen = recipe(options.preset)
        stage = VoteStage(chosen.losses, COCO_17, chosen.freeze).to(DEVICE)
        stage.select(network)
        if way != "as PyTorch runs it":
            accelerate(network)
        optimizer = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], lr=1e-5, fused=True)
        if way.endswith("graphs"):
            with torch.autocast("cuda", torch.bfloat16):
                stage.record(network, batch)
        measure(way, network, stage, optimizer, batch)
    list_kernels(network, stage, optimizer, batch, options.kernels)
    return 1 if wrong else 0


def compare_kernels() -> list[str]:
    """The layers whose kernels have too large an error."""
    from votepose.training.kernels.batch_norm import BatchNormActivation
    from votepose.training.kernels.depthwise import DepthwiseConvolution

    found = {}
    for side, stride in ((3, 1), (3, 2), (5, 1), (5, 2)):
        x, weight = random_map(8, 96, 40), random_map(96, 1, side)
        pad = side // 2
        dy = random_map(8, 96, 40 // stride).detach()
        ours = DepthwiseConvolution.apply(x, weight, stride, (pad,) * 4)
        reference = F.conv2d(x.double(), weight.double(), None, stride, pad, 1, 96)
        found[f"depthwise {side} x {side}, stride {stride}"] = errors((x, weight), ours, reference, dy)
    activations = {"none": lambda z: z, "relu6": F.relu6, "silu": F.silu, "hardswish": F.hardswish}
    for name, activation in activations.items():
        x, norm = random_map(8, 96, 40), nn.BatchNorm2d(96, eps=1e-3, device=DEVICE)
        nn.init.uniform_(norm.weight, 0.5, 2)
        nn.init.normal_(norm.bias)
        numbers = norm.running_mean.clone(), norm.running_var.clone(), 0.1, 1e-3
        ours = BatchNormActivation.apply(x, norm.weight, norm.bias, *numbers, name)
        values = F.batch_norm(x.double(), None, None, norm.weight.double(), norm.bias.double(), True, 0.1, 1e-3)
        dy = random_map(8, 96, 40).detach()
        found[f"norm and {name}"] = errors((x, norm.weight, norm.bias), ours, activation(values), dy)
    for name, values in found.items():
        print(f"{name}: relative errors", " ".join(f"{value:.5f}" for value in values))
    return [name for name, values in found.items() if not max(values) < _ROUNDING]


def random_map(*shape: int) -> Tensor:
    """A leaf (…, side, side) in bf16, channels last."""
    x = torch.randn(*shape, shape[-1], device=DEVICE, dtype=torch.bfloat16)
    return x.contiguous(memory_format=torch.channels_last).requires_grad_()


def errors(leaves: tuple[Tensor, ...], ours: Tensor, reference: Tensor, dy: Tensor) -> list[float]:
    """Relative errors of the output, and of the gradient of each leaf."""
    pairs = zip(
        (ours, *torch.autograd.grad(ours, leaves, dy)),
        (reference, *torch.autograd.grad(reference, leaves, dy.double())),
        strict=True,
    )
    return [float((a.double() - b.double()).norm() / b.double().norm()) for a, b in pairs]


def random_batch(count: int, size: int) -> Batch:
    """Noise, and people with random joints in boxes."""
    people = int(_PEOPLE * count)
    images = torch.arange(people, device=DEVICE) % count
    height = 40 + 160 * torch.rand(people, 1, device=DEVICE)
    sides = torch.cat([height / 2, height], dim=1)
    low = (size - sides) * torch.rand(people, 2, device=DEVICE)
    points = low[:, None] + sides[:, None] * torch.rand(people, 17, 2, device=DEVICE)
    return Batch(
        torch.randint(0, 256, (count, size, size, 3), dtype=torch.uint8, device=DEVICE).permute(0, 3, 1, 2),
        torch.cat([points, torch.full((people, 17, 1), 2.0, device=DEVICE)], dim=-1),
        torch.cat([low, sides], dim=1),
        sides.prod(dim=1) * 0.53,
        images,
        torch.zeros(count, size // 4, size // 4, dtype=torch.bool, device=DEVICE),
        torch.ones(count, dtype=torch.bool, device=DEVICE),
    )


def step(network: PoseNet, stage: VoteStage, optimizer: torch.optim.Optimizer, batch: Batch) -> None:
    with torch.autocast("cuda", torch.bfloat16):
        losses = stage(network, batch)
    optimizer.zero_grad(set_to_none=True)
    losses["total"].backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimizer.step()


def measure(way: str, network: PoseNet, stage: VoteStage, optimizer: torch.optim.Optimizer, batch: Batch) -> None:
    begun = time.perf_counter()
    for i in range(3):
        step(network, stage, optimizer, batch)
        if not i:
            torch.cuda.synchronize()
            first = time.perf_counter() - begun
    torch.cuda.synchronize()
    begun = time.perf_counter()
    for _ in range(_STEPS):
        step(network, stage, optimizer, batch)
    launched = time.perf_counter() - begun
    torch.cuda.synchronize()
    taken = (time.perf_counter() - begun) / _STEPS
    memory = torch.cuda.max_memory_allocated() / 2**30
    print(
        f"{way}: {1e3 * taken:.1f} ms per step, {len(batch) / taken:.0f} images/s; launched in "
        f"{1e3 * launched / _STEPS:.1f} ms; first step {first:.1f} s; {memory:.0f} GiB"
    )


def list_kernels(
    network: PoseNet, stage: VoteStage, optimizer: torch.optim.Optimizer, batch: Batch, count: int
) -> None:
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        step(network, stage, optimizer, batch)
        torch.cuda.synchronize()
    rows = sorted(profile.key_averages(), key=lambda row: -row.self_device_time_total)
    kernels = [row for row in rows if row.self_device_time_total]
    total = sum(row.self_device_time_total for row in kernels)
    print(f"kernels of one step: {total / 1e3:.1f} ms, {sum(row.count for row in kernels)} of them")
    for row in kernels[:count]:
        print(f"{row.self_device_time_total / 1e3:8.2f} ms {row.count:6d} x {row.key[:100]}")


if __name__ == "__main__":
    sys.exit(main())
