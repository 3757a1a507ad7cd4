"""Reasons for which a part was not inspected. None of them ever gives the verdict ok."""

from algan_ad.runtime.errors import AlganError

IMAGE = "image"  # the bytes are no usable image
CONFLICT = "conflict"  # the part number belongs to another image
OVERLOAD = "overload"  # too many inspections wait
MODEL = "model"  # no such model, or none that works
DISK = "disk"  # too little free space, or a full disk
CAMERA = "camera"  # no picture, or none that is new enough
ERROR = "error"  # anything else; the log has it under the request id


class NotInspected(AlganError):
    """A part that cannot be inspected, with its cause, one of the words above."""

    def __init__(self, cause: str, reason: str) -> None:
        super().__init__(reason)
        self.cause = cause
