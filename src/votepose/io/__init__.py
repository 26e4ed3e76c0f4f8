"""Input and output: images, lists of inputs, URLs, results, and files that appear whole or not at all."""
