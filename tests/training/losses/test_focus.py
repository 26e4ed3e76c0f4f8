"""The loss of the focus head: small people and ignore regions count, large people do not."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from votepose.data.loader import Batch
from votepose.models.heads.focus import BLOCK, SMALL
from votepose.training.losses.focus import focus_loss

SIDE = 320  # pixels
BLOCKS = SIDE // BLOCK


def batch(*boxes: tuple[float, float, float, float], complete: bool = True) -> Batch:
    """People in these boxes (x, y, width, height) of one image."""
    given = torch.tensor(boxes).reshape(-1, 4)
    return Batch(
        torch.zeros(1, 3, SIDE, SIDE, dtype=torch.uint8),
        torch.zeros(len(given), 17, 3),
        given,
        given[:, 2:].prod(dim=1),
        torch.zeros(len(given), dtype=torch.long),
        torch.zeros(1, SIDE // 4, SIDE // 4) > 0,
        torch.tensor([complete]),
    )


def pulls(given: Batch, incomplete: float = 0.3) -> Tensor:
    """(h, w) how the loss changes each logit of an undecided head: positive up, negative down."""
    logits = torch.zeros(1, BLOCKS, BLOCKS, requires_grad=True)
    loss = focus_loss(lambda _: logits, torch.zeros(1, 1, 1, 1), given, incomplete)  # type: ignore[arg-type]
    return -torch.autograd.grad(loss, logits)[0][0]


def test_blocks_that_a_small_person_touches_go_up_and_all_others_down() -> None:
    pull = pulls(batch((40, 60, 30, 70)))
    up = torch.zeros(BLOCKS, BLOCKS) > 0
    up[3:9, 2:5] = True
    assert torch.equal(pull > 0, up)
    assert torch.equal(pull < 0, ~up)


@pytest.mark.parametrize("box", [(10.0, 10.0, 60.0, SMALL + 1.0), (10.0, 10.0, SMALL * 0.76, 40.0)])
def test_large_people_are_background(box: tuple[float, float, float, float]) -> None:
    assert (pulls(batch(box)) < 0).all()


def test_ignore_regions_count_as_people_but_less() -> None:
    given = batch((40, 60, 30, 70))
    given.ignore[0, :40] = True
    pull = pulls(given)
    torch.testing.assert_close(pull[3:9, 2:5], 4 * pull[:6, 6:9])
    assert (pull[:9] > 0).all()
    assert (pull[11:] < 0).all()


def test_empty_blocks_count_less_where_people_may_be_unlabelled() -> None:
    box = (40.0, 60.0, 30.0, 70.0)
    sure, unsure = pulls(batch(box)), pulls(batch(box, complete=False), incomplete=0.25)
    torch.testing.assert_close(unsure[12:], 0.25 * sure[12:])
    torch.testing.assert_close(unsure[3:9, 2:5], sure[3:9, 2:5])


def test_an_image_without_people_is_background() -> None:
    assert (pulls(replace(batch())) < 0).all()
