"""Loads the images to train on: onto the GPU if they fit, else into memory, else from disk on demand."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence

import torch

from votepose.data.coco_json.values import number
from votepose.data.labelled import LabelledDataset, LabelledFolder, SamplesOnDemand
from votepose.data.loader import Source
from votepose.data.resident import FolderSource, ResidentPictures, bytes_needed, longest_side
from votepose.errors import VoteposeError
from votepose.evaluation.checks import print_left_out
from votepose.training.config import TrainConfig, parse_source
from votepose.training.stages import require_people
from votepose.utils.machine import usable_memory
from votepose.utils.wording import counted

Pictures = ResidentPictures | list[Source]

_SHARE = 0.6  # share of free memory, of the GPU or the computer, to use for images


def open_sources(config: TrainConfig) -> list[FolderSource]:
    """Open the folders of `--data` and read their labels.

    Raises:
        VoteposeError: if one cannot be read, or their skeletons differ.
    """
    parsed = map(parse_source, config.data)
    sources = [FolderSource(LabelledFolder.open(folder), weight, mosaic) for folder, weight, mosaic in parsed]
    if len({source.folder.labels.skeleton.joints for source in sources}) > 1:
        raise VoteposeError(
            "--data: the folders have different skeletons (names, sides or sigmas of the keypoints); "
            "train on one skeleton at a time"
        )
    return sources


def load_pictures(config: TrainConfig, sources: Sequence[FolderSource], input_size: int) -> Pictures:
    """Decode the images and place them where training needs them.

    Raises:
        VoteposeError: if a folder has no usable image, or there are no people.
    """
    device, longest = training_device(config), _longest(config, sources, input_size)
    if _resident(config, sources, longest, device):
        begun = time.perf_counter()
        pictures = ResidentPictures.load(sources, longest, device)
        seconds, size = time.perf_counter() - begun, pictures.canvases.nbytes
        print(f"{counted(len(pictures), 'image')} decoded in {seconds:.1f} s and kept on {device}: {size} bytes")
        for source, left_out in zip(sources, pictures.left_out, strict=True):
            print_left_out(LabelledDataset([], pictures.skeleton, left_out=left_out), source.folder.path)
        require_people(config, count_people(pictures) > 0)
        return pictures
    loaded, kept = [], _fit_in_memory(sources)
    for source in sources:
        data = source.folder.load() if kept else source.folder.on_demand()
        print_left_out(data, source.folder.path)
        # Weights are per image, so that a small folder does not dominate a large one.
        loaded.append(Source(data, source.weight * len(data.samples), source.mosaic_only))
    require_people(config, count_people(loaded) > 0)
    return loaded


def count_pictures(pictures: Pictures) -> int:
    """The number of images to train on."""
    if isinstance(pictures, ResidentPictures):
        return len(pictures)
    return sum(len(source.dataset.samples) for source in pictures)


def count_people(pictures: Pictures) -> int:
    """The number of labelled people in the images."""
    if isinstance(pictures, ResidentPictures):
        return len(pictures.table.keypoints)
    return sum(_people_in(source.dataset) for source in pictures)


def _people_in(dataset: LabelledDataset) -> int:
    """The number of labelled people in usable images or, if these are decoded on demand, in all."""
    if not isinstance(dataset.samples, SamplesOnDemand):
        return sum(len(sample.keypoints) for sample in dataset.samples)
    assert dataset.labels is not None
    return sum(a.is_person for picture in dataset.labels.pictures.values() for a in picture.annotations)


def training_device(config: TrainConfig) -> torch.device:
    """The device on which this process trains."""
    if torch.cuda.is_available() and config.accelerator != "cpu":
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))  # set by Lightning and torchrun
    return torch.device("cpu")


def _longest(config: TrainConfig, sources: Sequence[FolderSource], input_size: int) -> int:
    """The longest side, in pixels, of images kept on the device."""
    # More pixels than the largest zoom can show are of no use.
    shown = math.ceil(input_size * max(1.0, config.augment.scale[1]))
    return min(config.canvas or shown, longest_side([source.folder for source in sources]))


def _resident(config: TrainConfig, sources: Sequence[FolderSource], longest: int, device: torch.device) -> bool:
    """Whether to keep the images on the device; prints a line if they do not fit."""
    wanted = config.resident or (device.type == "cuda" and not config.from_disk)
    if not wanted or config.crops is not None:  # cached regions are cut from one image at a time
        return False
    need = bytes_needed([source.folder for source in sources], longest)
    room = int(_SHARE * _free_bytes(device))
    if need > room:
        print(
            f"at {longest} pixels the images need {need / 1e9:.4g} GB on {device}, but only {room / 1e9:.4g} may be "
            "used: worker processes will augment them instead; a smaller --canvas may fit"
        )
    return need <= room


def _fit_in_memory(sources: Sequence[FolderSource]) -> bool:
    """Whether all decoded images fit in this computer's memory."""
    entries = (picture.entry for source in sources for picture in source.folder.pictures)
    pixels = sum(number(entry.get("width")) * number(entry.get("height")) for entry in entries)
    return not 3 * pixels > _SHARE * _free_bytes(torch.device("cpu"))  # true if the json has no sizes


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return usable_memory()
