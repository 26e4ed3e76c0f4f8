"""Real layouts acted anew: the same people at the same places, none inside another."""

import numpy as np
import pytest

from votepose.synth.crowd import CrowdConfig, crowd
from votepose.synth.layouts import Layout
from votepose.synth.pose_library import PoseLibrary
from votepose.synth.reenact import reenact


@pytest.fixture(scope="module")
def layouts(body):
    """The 2-D truth of free crowds, as an annotator would write it: a person every 60 pixels overlaps the next."""
    found = []
    for seed in range(2):
        cast = crowd(body, PoseLibrary.load(), 320, 240, CrowdConfig((3, 3)), np.random.default_rng(seed))
        points = cast.camera.project(cast.keypoints(body))
        inside = ((points >= 0) & (points < (320, 240))).all(axis=-1, keepdims=True)
        keypoints = np.concatenate([points * inside, 2.0 * inside], axis=-1).astype(np.float32)
        low, high = (np.clip(f(points, axis=1), 0, (320, 240)) for f in (np.min, np.max))
        keep = inside.sum(axis=(1, 2)) >= 8
        found.append(Layout(320, 240, keypoints[keep], np.concatenate([low, high - low], axis=1)[keep]))
    return [layout for layout in found if len(layout)]


@pytest.fixture(scope="module")
def casts(body, layouts):
    return reenact(body, layouts, [np.random.default_rng(k) for k in range(len(layouts))])


def test_people_stand_where_they_stood(body, layouts, casts):
    for layout, cast in zip(layouts, casts, strict=True):
        assert len(cast) == len(layout)
        found = cast.camera.project(cast.keypoints(body))
        labelled = layout.keypoints[..., 2] > 0
        errors = (
            np.linalg.norm(found - layout.keypoints[..., :2], axis=-1) / np.sqrt(layout.boxes[:, 2:].prod(1))[:, None]
        )
        assert np.median(errors[labelled]) < 0.06


def test_people_do_not_intersect(body, casts):
    for cast in casts:
        depths = cast.keypoints(body)[..., 2].mean(axis=1)
        assert (depths > 0.2).all()
        gaps = np.abs(depths[:, None] - depths[None])[~np.eye(len(cast), dtype=bool)]
        aside = np.linalg.norm(cast.places[:, None, :2] - cast.places[None][..., :2], axis=-1)
        assert ((gaps > 0.15) | (aside[~np.eye(len(cast), dtype=bool)] > 0.3)).all()


def test_the_same_generators_give_the_same_casts(body, layouts, casts):
    again = reenact(body, layouts, [np.random.default_rng(k) for k in range(len(layouts))])
    for first, second in zip(casts, again, strict=True):
        np.testing.assert_array_equal(first.places, second.places)


def test_no_layouts_make_no_casts(body):
    assert reenact(body, [], []) == []
