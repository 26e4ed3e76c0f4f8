"""What comes in and goes out: images, lists of inputs, URLs, files that appear whole or not at all."""
