"""`votepose explain`: what it shows is what the grouping did, on a page that needs nothing else."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from helpers.fake_model import some_poses
from votepose.commands import main as cli
from votepose.commands.explain import ExplainConfig, run
from votepose.commands.model_options import ModelOptions
from votepose.errors import VoteposeError
from votepose.explain.collect import gather
from votepose.explain.explanation import Explanation
from votepose.explain.page import to_page
from votepose.explain.sheet import draw_sheet
from votepose.grouping import GroupingConfig, group, vote_distances
from votepose.inference.graph_outputs import PEOPLE, VOTES
from votepose.predictor import Predictor
from votepose.skeleton import COCO_17
from votepose.visualization.colormap import heat_colours

CHROMIUM = Path("/usr/bin/chromium")
STRIDE = 4
MAP = (24, 32)  # rows, columns: an input of 128 x 96


@dataclass(frozen=True)
class FakeSession:
    """Answers with prepared arrays, as an onnxruntime session does."""

    arrays: dict[str, np.ndarray]

    def get_outputs(self) -> list[Any]:
        return [SimpleNamespace(name=name) for name in self.arrays]

    def run(self, names: list[str], feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
        assert feeds["images"].shape == (1, MAP[0] * STRIDE, MAP[1] * STRIDE, 3)
        return [self.arrays[name] for name in names]


def fake_arrays(votes: int = 24, seed: int = 3) -> dict[str, np.ndarray]:
    """Two people whose votes agree, and single votes that agree with no other; one vote too faint; one not a number."""
    random = np.random.default_rng(seed)
    bodies = some_poses(2, seed=seed, size=(40, 60)).keypoints + np.array([[[6, 20]], [[70, 10]]])
    whose = np.arange(votes) % 3  # 0 and 1 are people, 2 strays
    poses = bodies[np.minimum(whose, 1)] + random.normal(0, 0.8, (votes, 17, 2))
    poses[whose == 2] += random.normal(0, 30, (int((whose == 2).sum()), 1, 2))
    cells = poses[np.arange(votes), random.integers(0, 17, votes)]
    presence = random.uniform(0.5, 1, votes)
    presence[0] = 0.1
    poses[3, 5] = np.nan
    arrays = {
        "image_index": np.zeros(2, np.int64),
        "keypoints": bodies[::-1],
        "confidences": random.random((2, 17)),
        "seen": random.random((2, 17)) > 0.5,
        "scores": np.array([0.2, 0.9]),
        "presence": random.random((1, *MAP)),
        "vote_image": np.zeros(votes, np.int64),
        "vote_cells": cells,
        "vote_poses": poses,
        "vote_scales": random.uniform(1, 6, (votes, 17)),
        "vote_presence": presence,
        "vote_person": np.array([1, 0, -1])[whose],
    }
    return {k: v.astype(np.float32) if v.dtype == np.float64 else v for k, v in arrays.items()}


def fake_predictor(arrays: dict[str, np.ndarray], **metadata: Any) -> Predictor:
    about = {"stride": STRIDE, "grouping": asdict(GroupingConfig()), **metadata}
    return Predictor(FakeSession(arrays), COCO_17, 128, 0.35, 0.35, about)


IMAGE = np.random.default_rng(0).integers(0, 255, (192, 256, 3), dtype=np.uint8)  # twice the input


@pytest.fixture
def explanation() -> Explanation:
    return gather(fake_predictor(fake_arrays()), IMAGE)


def data_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert found
    return dict(json.loads(found[1]))


def test_votes_under_the_threshold_or_without_numbers_do_not_count(explanation: Explanation) -> None:
    assert len(explanation.votes) == 22
    assert np.isfinite(explanation.votes).all()
    assert (explanation.likelihoods >= 0.35).all()


def test_lengths_are_pixels_of_the_image(explanation: Explanation) -> None:
    assert explanation.cell == (8, 8)
    arrays = fake_arrays()
    sent = {tuple(row) for row in (2 * arrays["vote_cells"]).round(2).tolist()}
    assert {tuple(row) for row in explanation.cells.round(2).tolist()} <= sent
    assert explanation.poses.image_size == (256, 192)


def test_strongest_first_and_each_follows_a_stronger_it_agrees_with(explanation: Explanation) -> None:
    assert (np.diff(explanation.strengths) <= 0).all()
    for k, followed in enumerate(explanation.follows):
        assert followed <= k
        assert followed == k or explanation.distances[k, followed] < explanation.config.threshold


def test_chains_end_where_the_grouping_ended(explanation: Explanation) -> None:
    ends = explanation.follows
    for _ in range(len(ends)):
        ends = explanation.follows[ends]
    assert ends.tolist() == explanation.leads.tolist()
    again = group(
        explanation.votes / 8,
        np.log(explanation.scales / 8),
        explanation.cells / 8,
        explanation.likelihoods,
        COCO_17.kappas,
        explanation.config,
    )
    assert again.follow.tolist() == explanation.leads.tolist()


def test_groups_hold_every_vote_once_and_say_what_became_of_them(explanation: Explanation) -> None:
    assert sorted(m for g in explanation.groups for m in g.members) == list(range(len(explanation.votes)))
    outcomes = {g.person: g.outcome for g in explanation.groups}
    assert outcomes[0] == "person 1, score 0.90"
    assert outcomes[1] == "left out: its score, 0.20, is below the threshold of 0.35"
    assert outcomes[-1].startswith("left out")
    assert explanation.shown.tolist() == [True, False]
    assert explanation.summary() == f"image: 1 person from 22 votes in {len(explanation.groups)} groups"


def test_a_group_whose_person_a_better_pose_shows_says_so() -> None:
    arrays = fake_arrays()
    arrays["keypoints"][:] = arrays["keypoints"][0] + 60  # far from all votes, so that only the outputs tell
    found = gather(fake_predictor(arrays), IMAGE)
    assert len(found.poses) == 1
    outcomes = [group.outcome for group in found.groups]
    assert outcomes.count("left out: a better pose shows the same person") == 1


def test_the_rule_is_the_files(explanation: Explanation) -> None:
    grouping = asdict(GroupingConfig(rule="euclidean", threshold=16.0, pooling="mean"))
    paper = gather(fake_predictor(fake_arrays(), grouping=grouping), IMAGE)
    assert (paper.config.rule, paper.config.threshold, paper.unit) == ("euclidean", 16.0, "cells")
    wanted = vote_distances(paper.votes / 8, np.log(paper.scales / 8), paper.config)
    np.testing.assert_allclose(paper.distances, wanted, rtol=1e-4, atol=1e-3)
    assert explanation.unit == "body sizes"


def test_a_file_without_votes_should_be_exported_again(fake_model: Path, tmp_path: Path, capsys: Any) -> None:
    Image.fromarray(IMAGE).save(tmp_path / "a.png")
    with pytest.raises(VoteposeError, match="export it again"):
        run(ExplainConfig(tmp_path / "a.png", tmp_path / "out", ModelOptions(weights=fake_model)))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("scheme", ["no vote", "one vote"])
def test_no_votes_and_one_vote_alone_are_shown(scheme: str) -> None:
    arrays = fake_arrays()
    keep = np.zeros(24, bool)
    keep[5] = scheme == "one vote"
    arrays |= {name: arrays[name][keep] for name in VOTES}
    if scheme == "no vote":
        arrays |= {name: arrays[name][:0] for name in PEOPLE}
    few = gather(fake_predictor(arrays), IMAGE)
    assert len(few.groups) == int(keep.sum())
    assert draw_sheet(few).mode == "RGB"
    assert len(data_of(to_page(few))["votes"]) == int(keep.sum())


@pytest.mark.skipif(not CHROMIUM.exists(), reason="no Chromium")
def test_without_votes_there_is_no_agreement_to_show(tmp_path: Path) -> None:
    arrays = fake_arrays()
    page = tmp_path / "page.html"
    page.write_text(
        to_page(gather(fake_predictor(arrays | {name: arrays[name][:0] for name in VOTES + PEOPLE}), IMAGE))
    )
    with opened(page) as tab:
        assert "No cell reaches the presence threshold" in tab.locator("#inspect").inner_text()
        assert not tab.locator("#agreement").is_visible()


def test_page_holds_the_numbers_and_requests_nothing_else(explanation: Explanation) -> None:
    page = to_page(explanation)
    data = data_of(page)
    distances = np.frombuffer(base64.b64decode(data["distances"]), "<f4")
    np.testing.assert_array_equal(distances.reshape(explanation.distances.shape), explanation.distances)
    assert data["grouping"]["threshold"] == explanation.config.threshold
    assert [vote["leads"] for vote in data["votes"]] == explanation.leads.tolist()
    assert not re.search(r'(?:src|href)\s*[=:]\s*["\']?(?:https?:)?//|@import|fetch\(|url\((?!#)', page)
    assert "<!--" not in page.replace("<!doctype", "")
    assert "default-src 'none'" in page


def test_a_name_can_not_break_out_of_the_page(tmp_path: Path) -> None:
    path = tmp_path / "</script><img src=x onerror=alert(1)>.png"
    name = "<!--data--><script>.png"  # a slash can not be in a file's name
    Image.fromarray(IMAGE).save(tmp_path / name)
    page = to_page(gather(fake_predictor(fake_arrays()), tmp_path / name))
    assert path.name not in page
    assert page.count("<script") == 2
    assert data_of(page)["name"] == name


def test_heat_is_brighter_and_less_transparent_where_likelier() -> None:
    colours = heat_colours(np.linspace(0, 1, 50)[None]).astype(int)[0]
    assert (np.diff(colours[:, :3].sum(axis=1)) > 0).all()
    assert (np.diff(colours[:, 3]) >= 0).all()
    assert colours[0, 3] == 0


def test_command_writes_both_and_says_where(tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setattr("votepose.commands.model_options.load", lambda *_, **__: fake_predictor(fake_arrays()))
    Image.fromarray(IMAGE).save(tmp_path / "people.png")
    assert run(ExplainConfig(tmp_path / "people.png", tmp_path / "out")) == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["people.explain.html", "people.explain.jpg"]
    printed = capsys.readouterr().out
    assert "people.png: 1 person from 22 votes" in printed
    assert "people.explain.html" in printed


def test_mistakes_are_one_line(tmp_path: Path, fake_model: Path, capsys: Any) -> None:
    assert cli.main(["explain", str(tmp_path / "none.jpg"), "--weights", str(fake_model)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "none.jpg" in error


@contextmanager
def opened(page: Path) -> Iterator[Any]:
    """The page in a browser that may not use the network; its errors fail the test."""
    playwright = pytest.importorskip("playwright.sync_api")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    flags += ["--disable-component-update", "--disable-sync"]
    complaints: list[str] = []
    with playwright.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=str(CHROMIUM), args=flags)
        tab = browser.new_page(viewport={"width": 1280, "height": 800})
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("console", lambda message: complaints.append(message.text))
        tab.on("request", lambda request: complaints.append(request.url) if request.url.startswith("http") else None)
        tab.goto(page.as_uri())
        yield tab
        browser.close()
    assert complaints == []


@pytest.mark.skipif(not CHROMIUM.exists(), reason="no Chromium")
def test_in_a_browser(explanation: Explanation, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(to_page(explanation), encoding="utf-8")
    with opened(page) as tab:
        # its own grouping, for thresholds that are tried out, is the one in force at the threshold in force
        force = explanation.config.threshold
        tab.evaluate(f"threshold = {force} + 1e-12; regroup()")
        again = tab.evaluate(f"const found = leads; setThreshold({force}); found")
        assert again == explanation.leads.tolist()
        assert tab.evaluate("setThreshold(1e9); groups.length") == 1
        tab.locator("#back").click()
        assert tab.evaluate("groups.length") == len(explanation.groups)

        tab.evaluate("pick(1)")
        assert "vote 2 of 22" in tab.locator("#inspect").inner_text()
        assert tab.locator("#inspect table tr").count() == 18
        tab.evaluate("pick(4)")
        assert f"distance {explanation.distances[1, 4]:.3f}" in tab.locator("#inspect").inner_text()
        together = explanation.leads[1] == explanation.leads[4]
        assert ("one group" if together else "not grouped") in tab.locator("#inspect").inner_text()
        shares = tab.evaluate("shares(1, 4)")
        assert sum(shares) == pytest.approx(1)

        tab.keyboard.press("Escape")
        assert tab.evaluate("a === null && b === null")
        tab.locator("circle[data-vote='0']").hover(force=True)
        assert "vote 1 of 22" in tab.locator("#inspect").inner_text()
        assert "it votes" in tab.locator("#readout").inner_text()
        tab.locator("#groups li").first.click()
        tab.locator("#theme").click()
        tab.locator("#matrix").click(position={"x": 40, "y": 90})
        assert "share of the distance" in tab.locator("#inspect").inner_text()
