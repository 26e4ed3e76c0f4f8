"""Error analysis: AP by kind of person, errors by kind, and the cost of each part of the estimator."""
