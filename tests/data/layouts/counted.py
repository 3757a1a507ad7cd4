"""The images of a data set in numbers."""

from algan_ad.data.layouts import Dataset


def counts(dataset: Dataset) -> dict[str, dict[str, int]]:
    """Images of each kind in each part."""
    parts = {"train": dataset.train, "calibration": dataset.calibration, "test": dataset.test}
    return {
        part: {kind: sum(item.defect == kind for item in items) for kind in sorted({item.defect for item in items})}
        for part, items in parts.items()
    }
