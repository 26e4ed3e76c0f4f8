"""A network small enough to train in a test; `python -m helpers.tiny train …` is the command line with it as preset.

Lines `sample RANK INDEX` and `step N` on stdout show a test what a process did.
"""

from __future__ import annotations

import functools
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from votepose.data.coco_writer import write_coco
from votepose.data.toy import synthetic_dataset
from votepose.grouping import GroupingConfig
from votepose.models.checkpoint import Metadata, save_weights
from votepose.models.config import NetworkConfig
from votepose.models.posenet import PoseNet
from votepose.models.presets import Preset
from votepose.skeleton import COCO_17, Skeleton

NETWORK = NetworkConfig(
    "movenet",
    stride=4,
    channels=16,
    stacks=1,
    depth=2,
    hourglass_width=16,
    width=32,
    heads=2,
    encoder_layers=1,
    decoder_layers=1,
    refiner=12,
    proposals=True,
)
GROUPING = GroupingConfig(candidates=16)  # each person that is found costs a test 40 ms in the refiner
PRESET = Preset(NETWORK, input_size=64, grouping=GROUPING)

# An untrained network has many denormals, with which CPUs are slow. Set before the first thread, as threads inherit it:
# if some threads flush and others do not, they disagree about what is above zero.
torch.set_flush_denormal(True)


def write_data(folder: Path, count: int = 6) -> Path:
    """A folder of drawn people."""
    write_coco(synthetic_dataset(count, size=96, people=(1, 2)), folder)
    return folder


def write_weights(path: Path, seed: int = 4, grouping: GroupingConfig = GROUPING) -> Path:
    """Weights of an untrained tiny network; that of this seed finds a few people in anything."""
    save_weights(path, _untrained(seed), replace(metadata(), grouping=grouping))
    return path


@functools.cache
def _untrained(seed: int) -> PoseNet:
    torch.manual_seed(seed)
    return PoseNet(NETWORK)


def metadata(network: NetworkConfig = NETWORK, size: int = 64, skeleton: Skeleton = COCO_17) -> Metadata:
    """Of a file with the weights of such a network."""
    return Metadata.of("movenet", Preset(network, input_size=size, grouping=GROUPING), skeleton)


def train_on_few_poses(patch: pytest.MonkeyPatch) -> None:
    """Let the refiner train on one found pose per image, with small regions: seven more take ten times as long."""
    patch.setattr("votepose.training.stages.votes._FOUND", 1)
    refine_small_regions(patch)


def refine_small_regions(patch: pytest.MonkeyPatch) -> None:
    """Let the refiner read regions of half the side: most of the time of a tiny network goes into them."""
    modules = ("models.features", "models.heads.refiner", "models.heads.roi_align", "training.losses.refiner")
    for module in (*modules, "training.roi_cache"):
        patch.setattr(f"votepose.{module}.ROI_ROWS", 16)
        patch.setattr(f"votepose.{module}.ROI_COLUMNS", 12)


def export_on_small_pictures(patch: pytest.MonkeyPatch) -> None:
    """Let the exporters trace and compare on images of half the side, but no less than 64 pixels."""
    from votepose.export.onnx_graph import noise

    def small(width: int, height: int, batch: int = 1) -> torch.Tensor:
        return noise(max(64, width // 64 * 32), max(64, height // 64 * 32), batch)

    patch.setattr("votepose.export.onnx_graph.noise", small)
    patch.setattr("votepose.export.backends.noise", small)


def main() -> int:
    from votepose.commands import main as cli
    from votepose.data.loader import TrainingSet
    from votepose.models import presets
    from votepose.training import fit

    def tell(*words: object) -> None:
        os.write(1, f"{' '.join(map(str, words))}\n".encode())  # at once, past the progress bar's own stdout

    class Tell(fit.pl.Callback):
        def on_train_batch_end(self, trainer: object, *_: object) -> None:
            tell("step", trainer.global_step)  # type: ignore[attr-defined]

    def tell_index(self: TrainingSet, index: int) -> object:
        tell("sample", os.environ.get("LOCAL_RANK", "0"), index)
        return getitem(self, index)

    getitem = TrainingSet.__getitem__
    TrainingSet.__getitem__ = tell_index  # type: ignore[method-assign,assignment]
    presets._PRESETS["movenet"] = PRESET
    fit.LearningRateMonitor = Tell  # type: ignore[misc,assignment]
    torch.set_num_threads(1)
    train_on_few_poses(pytest.MonkeyPatch())
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
