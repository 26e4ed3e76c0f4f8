"""What Ray says by itself."""

from __future__ import annotations

import pytest

from votepose.cluster import connection


def test_what_ray_says_goes_to_stderr_but_not_that_it_killed_workers_itself(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with connection.remarks_to_stderr():
        print("(raylet) Task failed. Error: The actor is dead because it was killed by `ray.kill`.")
        print("(raylet) a machine", "was lost")
    print("summary")
    assert capsys.readouterr() == ("summary\n", "(raylet) a machine was lost\n")
