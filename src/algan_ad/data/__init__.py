"""Where the normal examples come from: layouts, catalogue, splits, demo set, augmentation."""
