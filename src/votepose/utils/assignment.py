"""Optimal one-to-one assignment, without SciPy."""

from __future__ import annotations

import numpy as np


def assign(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Match rows to columns, each at most once, so that the total value is largest; pairs of value 0 are left out.

    The Hungarian method (Kuhn 1955) as shortest augmenting paths with potentials (Jonker and Volgenant 1987), in O(R^2
    C), with the inner loop in NumPy.

    Args:
        values: (R, C), non-negative.

    Returns:
        The rows and the columns of the pairs, both (pairs,) int, rows ascending.
    """
    if values.shape[0] > values.shape[1]:
        columns, rows = assign(values.T)
        order = np.argsort(rows)
        return rows[order], columns[order]
    count, width = values.shape
    costs = np.concatenate([np.zeros((count, 1)), -values.astype(float)], axis=1)  # paths start at column 0
    of_row, of_column = np.zeros(count), np.zeros(width + 1)
    owner = np.full(width + 1, -1)  # the row assigned to each column
    for row in range(count):
        owner[0], column = row, 0
        shortest, before = np.full(width + 1, np.inf), np.zeros(width + 1, int)
        done = np.zeros(width + 1, bool)
        while owner[column] >= 0:
            done[column] = True
            reduced = costs[owner[column]] - of_row[owner[column]] - of_column
            closer = ~done & (reduced < shortest)
            shortest[closer], before[closer] = reduced[closer], column
            column = int(np.argmin(np.where(done, np.inf, shortest)))
            step = shortest[column]
            of_row[owner[done]] += step
            of_column[done] -= step
            shortest[~done] -= step
        while column:
            owner[column], column = owner[before[column]], int(before[column])
    columns = np.flatnonzero(owner[1:] >= 0)
    rows = owner[1:][columns]
    columns, rows = columns[np.argsort(rows)], np.sort(rows)
    worth = values[rows, columns] > 0
    return rows[worth], columns[worth]
