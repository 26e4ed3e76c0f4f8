"""The four ways of grouping of research/grouping: two overlapping people, and what a perfect network would say of them,
give back the two people; a better output has a lower loss; the whole experiment runs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from research.grouping import __main__ as experiment
from research.grouping.candidates import Candidates
from research.grouping.decode import FIND, LIMITS
from research.grouping.heads import FINER, JOINTS, LINKS, METHODS, OUTPUTS, Head, cost, tag_maps
from research.grouping.labels import Labels
from research.grouping.losses import LOSSES
from research.grouping.regroup import ALONE, REGROUP, WAYS
from research.grouping.scores import judge
from votepose.data.coco_writer import write_coco
from votepose.data.toy import synthetic_dataset
from votepose.models.checkpoint import Metadata, save_weights
from votepose.models.config import NetworkConfig
from votepose.models.features import KeypointMaps
from votepose.models.posenet import PoseNet
from votepose.models.presets import Preset
from votepose.skeleton import COCO_17

SIDE = 32  # cells
KAPPAS = torch.from_numpy(COCO_17.kappas)


def tangled() -> np.ndarray:
    """(2, K, 2) two people in the same place; every joint has a cell of its own."""
    cells = np.random.default_rng(1).permutation(25 * 25)[: 2 * JOINTS].reshape(2, JOINTS)
    return np.stack([cells % 25 + 2.5, cells // 25 + 2.5], axis=-1)


def cells_of(points: np.ndarray, scale: int = 1) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.floor(points * scale).astype(int).T
    return y, x


def maps_of(people: np.ndarray) -> KeypointMaps:
    logits = torch.full((1, JOINTS, FINER * SIDE, FINER * SIDE), -8.0)
    offsets = torch.zeros(1, JOINTS, 2, FINER * SIDE, FINER * SIDE)
    for k in range(JOINTS):
        y, x = cells_of(people[:, k], FINER)
        logits[0, k, y, x] = 4.0
        at = torch.from_numpy(people[:, k] * FINER - np.stack([x, y], axis=-1) - 0.5).float()
        offsets[0, k, :, y, x] = at.T
    return KeypointMaps(logits, offsets)


def perfect(method: str, people: np.ndarray) -> Tensor:
    """The output of a network that knows the people."""
    output = torch.zeros(1, OUTPUTS[method], SIDE, SIDE)
    if method == "votes":
        output[:, 2 * JOINTS :] = -3.0
        for pose in people:
            for y, x in zip(*cells_of(pose), strict=True):
                output[0, : 2 * JOINTS, y, x] = torch.from_numpy((pose - [x + 0.5, y + 0.5]).ravel() / 16).float()
    elif method == "tags":
        place = tag_maps(output)  # of a head that says nothing
        wanted = torch.zeros_like(place)
        for number, pose in enumerate(people):
            for k in range(JOINTS):
                y, x = cells_of(pose[k : k + 1], FINER)
                wanted[0, k, y, x] = 5.0 * number
        output = torch.nn.functional.pixel_unshuffle(wanted - place, FINER)
    elif method == "affinity":
        grid = np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE)), axis=-1) + 0.5
        for number, (one, other) in enumerate(LINKS):
            for pose in people:
                way = pose[other] - pose[one]
                length = np.linalg.norm(way)
                unit, gap = way / length, grid - pose[one]
                on = (gap @ unit > -1) & (gap @ unit < length + 1) & (abs(gap @ [-unit[1], unit[0]]) < 1)
                output[0, 2 * number : 2 * number + 2, on] = torch.from_numpy(unit).float()[:, None]
    else:
        output[:, 0] = -8.0
        for pose in people:
            (y,), (x,) = cells_of((pose.min(axis=0) + pose.max(axis=0))[None] / 2)
            output[0, 0, y, x] = 4.0
            output[0, 1:, y, x] = torch.from_numpy((pose - [x + 0.5, y + 0.5]).ravel() / 16).float()
    return output


@pytest.mark.parametrize("method", [m for m in METHODS if m != "affinity"])
def test_people_are_found_in_perfect_outputs(method: str) -> None:
    people = tangled()
    found = FIND[method](perfect(method, people), Candidates.of(maps_of(people)), 0.2, LIMITS[method][1])
    assert len(found.poses) == 2
    order = np.argsort(np.linalg.norm(found.poses[:, None] - people, axis=-1).sum(axis=-1).argmin(axis=1))
    assert np.abs(found.poses[order] - people).max() < 0.6
    assert (found.scores > 0.2).all()


def test_people_are_found_in_perfect_fields() -> None:
    """Limbs that cross average, so bodies that look like bodies, side by side with overlapping boxes."""
    people = standing()
    found = FIND["affinity"](perfect("affinity", people), Candidates.of(maps_of(people)), 0.2, 0.05)
    assert len(found.poses) == 2
    order = np.argsort(found.poses[:, 0, 0])
    assert np.abs(found.poses[order] - people).max() < 0.1


def standing() -> np.ndarray:
    """(2, K, 2) a person, and the same one 9 cells to the right, so that their arms cross."""
    x = [8, 9, 7, 10, 6, 11, 5, 13, 3, 14, 2, 10, 6, 10, 6, 10, 6]
    y = [4, 3, 3, 4, 4, 8, 8, 12, 12, 15, 15, 17, 17, 22, 22, 27, 27]
    body = np.stack([x, y], axis=-1)
    return np.stack([body + 0.3, body + np.array([9.3, 1.3])])


@pytest.mark.parametrize("way", REGROUP)
def test_true_joints_go_with_their_people(way: str) -> None:
    people = standing() if way == "affinity" else tangled()
    method = next(m for m in METHODS if way in WAYS[m])
    person, joint = np.divmod(np.arange(2 * JOINTS), JOINTS)
    labels = REGROUP[way](perfect(method, people), people.reshape(-1, 2), joint, ALONE[way][1])
    assert judge(labels, person, 2).tolist() == [[JOINTS, JOINTS, 0, 0]] * 2


@pytest.mark.parametrize("way", REGROUP)
def test_joints_on_the_border_are_grouped(way: str) -> None:
    people = standing().clip(5, 20)
    people = (people - 5) * SIDE / 15  # some joints lie just outside of the map
    method = next(m for m in METHODS if way in WAYS[m])
    output = torch.zeros(1, OUTPUTS[method], SIDE, SIDE)
    assert len(REGROUP[way](output, people.reshape(-1, 2), np.arange(2 * JOINTS) % JOINTS, 0.3)) == 2 * JOINTS


def test_split_and_merged_people_are_counted() -> None:
    person = np.array([0, 0, 0, 0, 1, 1, 1, 2])
    labels = np.array([5, 5, 0, 0, 0, 0, 0, -1])
    assert judge(labels, person, 3).tolist() == [[2, 4, 1, 1], [3, 3, 0, 1], [0, 1, 0, 0]]


@pytest.mark.parametrize("method", METHODS)
def test_perfect_outputs_have_the_lowest_loss(method: str) -> None:
    people = standing()
    points = torch.from_numpy(people).float()
    low, high = points.amin(dim=1), points.amax(dim=1)
    labels = Labels(
        points,
        torch.ones(2, JOINTS, dtype=torch.bool),
        torch.full((2,), 12.0),
        torch.cat([low, high - low], dim=1),
        torch.zeros(2, dtype=torch.long),
        (1, SIDE, SIDE),
        torch.zeros(1, SIDE, SIDE, dtype=torch.bool),
        torch.ones(1),
        KAPPAS,
        torch.Generator().manual_seed(0),
    )
    loss = LOSSES[method](labels)
    torch.manual_seed(0)
    output = perfect(method, people)
    noisy = (output + 0.3 * torch.randn(output.shape)).requires_grad_()
    loss(noisy).backward()
    assert loss(output) < loss(noisy)
    assert noisy.grad is not None
    assert noisy.grad.abs().sum() > 0


@pytest.mark.parametrize("method", METHODS)
def test_pictures_without_people_have_a_loss(method: str) -> None:
    none = torch.zeros(0, JOINTS)
    labels = Labels(
        none[..., None].expand(-1, -1, 2),
        none > 0,
        none[:, 0],
        none[:, :4],
        none[:, 0].long(),
        (1, 8, 8),
        torch.zeros(1, 8, 8, dtype=torch.bool),
        torch.ones(1),
        KAPPAS,
        torch.Generator(),
    )
    output = torch.zeros(1, OUTPUTS[method], 8, 8, requires_grad=True)
    assert LOSSES[method](labels)(output).isfinite()


def test_heads_cost_alike() -> None:
    costs = [cost(method, 128) for method in METHODS]
    assert Head("votes", 8)(torch.zeros(1, 8, 4, 6)).shape == (1, 3 * JOINTS, 4, 6)
    for key in ("parameters", "multiply_adds"):
        values = [c[key] for c in costs]
        assert max(values) < 1.1 * min(values)


def test_the_experiment_runs_and_is_not_repeated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network = NetworkConfig("lite", channels=16, hourglass=False, transformer=False, keypoint_maps=16)
    torch.manual_seed(0)
    save_weights(tmp_path / "weights.safetensors", PoseNet(network), Metadata.of("lite", Preset(network), COCO_17))
    write_coco(synthetic_dataset(4, size=64, people=(1, 2)), tmp_path / "data")
    data, out = tmp_path / "data", tmp_path / "out"
    options = experiment.Options((str(data),), data, data, out, tmp_path / "weights.safetensors", smoke=True)
    experiment.main(options)
    result = json.loads((out / "grouping.json").read_bytes())
    assert set(result["sets"]["val"]) == set(METHODS)
    assert (out / "grouping.png").stat().st_size > 1000
    capsys.readouterr()
    experiment.main(options)
    assert "wrote" not in capsys.readouterr().out
    assert json.loads((out / "grouping.json").read_bytes()) == result
