"""Fixtures shared by the generator's tests: the body model is read once, for all of them."""

from __future__ import annotations

import numpy as np
import pytest

from votepose.synth.body import Body, Shapes


@pytest.fixture(scope="session")
def body() -> Body:
    pytest.importorskip("anny")
    return Body()


@pytest.fixture(scope="session")
def adults(body: Body) -> Shapes:
    """Eight average adults."""
    return body.shapes(np.full((8, len(body.phenotypes)), 0.5))
