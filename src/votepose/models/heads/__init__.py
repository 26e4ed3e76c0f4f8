"""Feature maps to presence, votes, proposals and refined poses."""
