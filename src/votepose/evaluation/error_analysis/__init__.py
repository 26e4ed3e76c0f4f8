"""Error analysis: AP by kind of person, errors by type, and the cost of each part of the estimator."""
