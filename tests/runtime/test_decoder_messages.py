import subprocess
import sys

SCRIPT = """
import io, struct, sys, warnings
from PIL import Image, TiffImagePlugin
from algan_ad.runtime.decoder_messages import silence_decoders
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.images import decode

if sys.argv[1] == "silent":
    silence_decoders()
buffer = io.BytesIO()
Image.effect_noise((32, 32), 50).save(buffer, "TIFF", compression="tiff_lzw")
for cut in range(8, buffer.tell(), 20):  # libtiff on the file descriptor, Pillow by way of `warnings`
    try:
        decode(buffer.getvalue()[:cut])
    except InputError:
        pass
TiffImagePlugin.logger.error("by way of logging")
warnings.warn("of the caller")
"""


def said(mode: str) -> str:
    done = subprocess.run([sys.executable, "-c", SCRIPT, mode], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == ""
    return done.stderr


def test_the_decoders_are_silent_and_others_are_not() -> None:
    assert [line for line in said("silent").splitlines() if "of the caller" not in line] == []


def test_without_it_all_three_ways_are_in_use() -> None:
    """The other test shows something only if this one passes."""
    loud = said("loud")
    assert all(text in loud for text in ("TIFFReadDirectory", "Corrupt EXIF data", "by way of logging"))
