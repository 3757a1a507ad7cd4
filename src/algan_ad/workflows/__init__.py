"""The work of each verb, from Python: train, evaluate, predict, demo. The command line only parses and prints."""
