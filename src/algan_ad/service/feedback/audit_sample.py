"""The random sample of all parts that people check, whatever their score.

A part is drawn by a hash of its id under the station's secret: nobody can foresee it, a restart changes nothing, and
the score has no part in it. So the sample is a fair one of good and of bad parts, of flagged and of unflagged ones.
"""

import hmac


def drawn(secret: bytes, inspection_id: int, share: float, purpose: str = "audit") -> bool:
    """True for a part that belongs to the sample of a share, [0, 1]. Samples of other purposes are independent."""
    digest = hmac.digest(secret, f"{purpose}:{inspection_id}".encode(), "sha256")
    return int.from_bytes(digest[:8]) < share * 2**64
