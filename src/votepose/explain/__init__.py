"""Explains why people were found: one image's votes and groups, as data, a web page or a figure."""

from votepose.explain.collect import gather
from votepose.explain.explanation import Explanation, VoteGroup
from votepose.explain.page import to_page
from votepose.explain.sheet import draw_sheet

__all__ = ["Explanation", "VoteGroup", "draw_sheet", "gather", "to_page"]
