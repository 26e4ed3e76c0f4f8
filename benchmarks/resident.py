"""Compares the speed of `votepose train --resident` with workers that augment images from memory.

    python benchmarks/resident.py DATA... [--size 384] [--batch 256] [--repeats 20] [--device cuda]

Prints the times of decoding and, for a batch, of planning it (one CPU thread), rendering it on the device, and
augmenting as many images with OpenCV (one CPU thread). On a GPU it fails if rendering synchronises with the device.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import torch

from votepose.data.augment_config import AugmentConfig
from votepose.data.labelled import LabelledFolder
from votepose.data.loader import Source, TrainingSet
from votepose.data.planned_batch import PlannedBatch
from votepose.data.resident import FolderSource, ResidentPictures, longest_side

_OPENCV = 48  # number of images


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--size", type=int, default=384)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    begun = time.perf_counter()
    sources = [FolderSource(LabelledFolder.open(folder)) for folder in options.data]
    opened = time.perf_counter()
    pictures = ResidentPictures.load(sources, longest_side([s.folder for s in sources]), options.device)
    _wait(options.device)
    print(f"{len(pictures)} images: labels {opened - begun:.1f} s, decoding {time.perf_counter() - opened:.1f} s")
    batches = pictures.batches(options.size, AugmentConfig(), 0, options.batch)
    print(f"planning a batch of {options.batch}: {_milliseconds(lambda i: batches[i], options, 'cpu'):.1f} ms")
    planned = [batches[i].to(options.device) for i in range(4)]
    render = _milliseconds(lambda i: _rendered(planned[i % 4], pictures), options, options.device)
    print(f"rendering it on {options.device}: {render:.1f} ms, {render / options.batch:.3f} ms per image")
    memory = TrainingSet([Source(sources[0].folder.load())], options.size, AugmentConfig(), 0, _OPENCV)
    cv2.setNumThreads(0)
    begun = time.process_time()
    for i in range(_OPENCV):
        memory[i]
    print(f"OpenCV, one thread: {1e3 * (time.process_time() - begun) / _OPENCV:.2f} ms per image")


def _rendered(planned: PlannedBatch, pictures: ResidentPictures) -> None:
    if pictures.canvases.is_cuda:
        torch.cuda.set_sync_debug_mode("error")
    planned.render(pictures.canvases)
    if pictures.canvases.is_cuda:
        torch.cuda.set_sync_debug_mode("default")


def _milliseconds(call: Callable[[int], object], options: argparse.Namespace, device: str) -> float:
    for i in range(3):
        call(i)
    _wait(device)
    clock = time.perf_counter if device.startswith("cuda") else time.process_time
    begun = clock()
    for i in range(options.repeats):
        call(i)
    _wait(device)
    return 1e3 * (clock() - begun) / options.repeats


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
