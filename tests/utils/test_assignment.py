"""Assignment: no other pairing has a larger sum."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from votepose.utils.assignment import assign

SMALL = npst.arrays(
    float, st.tuples(st.integers(0, 5), st.integers(0, 5)), elements=st.sampled_from([0, 0, 0.25, 0.5, 0.7, 1])
)


@given(SMALL)
def test_the_sum_is_the_largest_of_all_pairings(values: np.ndarray) -> None:
    rows, columns = assign(values)
    assert len(set(rows.tolist())) == len(rows) == len(set(columns.tolist())) == len(columns)
    assert (values[rows, columns] > 0).all()
    assert (np.diff(rows) > 0).all()
    wide = values if values.shape[0] <= values.shape[1] else values.T
    best = max(sum(wide[k, c] for k, c in enumerate(p)) for p in permutations(range(wide.shape[1]), wide.shape[0]))
    assert values[rows, columns].sum() == pytest.approx(best)


@pytest.mark.parametrize("shape", [(40, 40), (30, 70), (70, 30), (0, 4), (4, 0)])
def test_it_agrees_with_scipy(shape: tuple[int, int]) -> None:
    optimize = pytest.importorskip("scipy.optimize")
    values = np.random.default_rng(0).random(shape) + 1e-3
    found, expected = assign(values), optimize.linear_sum_assignment(values, maximize=True)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])
