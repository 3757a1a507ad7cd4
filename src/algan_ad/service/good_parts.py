"""The parts that people judged good, as a folder to train on."""

from pathlib import Path

from algan_ad.runtime.errors import InputError
from algan_ad.service.new_folder import new_folder
from algan_ad.service.record.inspections import Filter, page
from algan_ad.service.record.record import Record
from algan_ad.service.store.blobs import Blobs

TOGETHER = 1000
SUFFIXES = {
    "image/bmp": ".bmp", "image/gif": ".gif", "image/jpeg": ".jpg", "image/mpo": ".jpg", "image/png": ".png",
    "image/tiff": ".tif", "image/webp": ".webp", "image/x-portable-anymap": ".pnm",
}  # fmt: skip


def export_good(record: Record, images: Blobs, wanted: Filter, out: Path) -> int:
    """Copy the images of parts judged good into a new folder, named by their ids. Returns their number.

    The bytes are those that were inspected. A picture that came several times is copied once, and one that is not kept
    any more is left out. Judged parts are the flagged ones and the audit sample, no fair sample of all: mix them with
    the images of the former training.

    Raises InputError when there is none, or `out` exists; AlganError on a full disk.
    """
    wanted, copied, last = wanted.model_copy(update={"judgement": "good"}), set[str](), 0
    with new_folder(out) as folder:
        while True:
            with record.reading() as session:
                rows = page(session, wanted, after=last, limit=TOGETHER)
            if not rows:
                break
            last = rows[-1].id
            for row in rows:
                if row.image is None or not row.image_kept or row.image in copied:
                    continue
                (folder / f"{row.id}{SUFFIXES[row.image_type or 'image/png']}").write_bytes(images.read(row.image))
                copied.add(row.image)
        if not copied:
            raise InputError(f"{out}: no part was judged good whose image is kept; judge some first")
    return len(copied)
