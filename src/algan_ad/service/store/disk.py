"""Free space of the station's disk."""

import shutil
from pathlib import Path

from algan_ad.runtime.errors import AlganError


class DiskFloor(AlganError):
    """Less free space than the station keeps in reserve."""


def free_bytes(folder: Path) -> int:
    """Free bytes of the disk of a folder."""
    return shutil.disk_usage(folder).free


def check_floor(folder: Path, floor: int) -> None:
    """Raise DiskFloor when less than `floor` bytes are free."""
    if (free := free_bytes(folder)) < floor:
        raise DiskFloor(
            f"{folder}: {free / 2**20:.0f} MiB are free, and the station keeps {floor / 2**20:.0f} MiB in reserve; "
            "free some space, or keep images for a shorter time"
        )
