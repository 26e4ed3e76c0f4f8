"""The votes behind the people of one image, as a picture and a page."""
