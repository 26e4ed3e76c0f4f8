"""Why were these people found? One image's votes and their groups, as data, as a page and as an image."""

from votepose.explain.collect import gather
from votepose.explain.explanation import Explanation, VoteGroup
from votepose.explain.page import to_page
from votepose.explain.sheet import draw_sheet

__all__ = ["Explanation", "VoteGroup", "draw_sheet", "gather", "to_page"]
