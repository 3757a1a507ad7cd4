"""The ground floor, free of torch: decoding, predictions, calibration and the model folder."""
