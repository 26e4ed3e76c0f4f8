"""Where the points are lost: by kind of person, kind of error, and part of the estimator."""
