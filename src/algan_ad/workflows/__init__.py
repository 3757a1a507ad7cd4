"""What a verb does, from Python: train, evaluate, predict, demo. The command line only parses and prints."""
