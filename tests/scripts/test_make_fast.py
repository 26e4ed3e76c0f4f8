"""The starting weights of the preset `fast` compute what the larger network does."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F

from helpers.scripts_of import script
from votepose.models.posenet import PoseNet
from votepose.models.presets import preset

carried_over = script("make_fast").carried_over
_SMALL = {"channels": 8, "width": 24, "heads": 2, "refiner": 12}


def test_the_start_of_fast_computes_what_the_large_network_does_on_maps_without_detail() -> None:
    large = PoseNet(replace(preset("movenet").network, **_SMALL, hourglass_width=8))
    small = PoseNet(replace(preset("fast").network, **_SMALL))
    assert large.focus is not None
    torch.nn.init.normal_(large.focus.out.weight)  # initially zero
    small.load_state_dict(carried_over(large, small))
    assert small.focus is not None
    assert large.transformer is not None
    assert small.transformer is not None

    features = torch.randn(1, 9, 6, 8)
    fine = F.interpolate(features, scale_factor=2.0, mode="nearest")
    torch.testing.assert_close(small.transformer.embed_patches(features), large.transformer.embed_patches(fine))
    torch.testing.assert_close(small.focus(features), large.focus(fine))
    cells = torch.randn(5, 24)
    joints, scales = small.vector(cells).split([34, 17], dim=-1)
    theirs, their_scales = large.vector(cells).split([34, 17], dim=-1)
    torch.testing.assert_close(2 * joints, theirs)
    torch.testing.assert_close(2 * scales.exp(), their_scales.exp())
    places = torch.rand(1, 5, 2)
    torch.testing.assert_close(small.transformer.angles(places), large.transformer.angles(2 * places))
    assert not small.presence(features[:, :8]).any()
