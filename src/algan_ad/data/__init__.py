"""Sources of normal examples: layouts, catalogue, splits, demo set, augmentation."""
