"""Names and addresses: which ones mean this machine alone, and which pages may send requests."""

from ipaddress import ip_address
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """True for an address or a name that nobody outside of this machine reaches."""
    try:
        return host == "localhost" or ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def host_of(header: str) -> str | None:
    """The host in a Host header, without its port; None for a header that names none."""
    try:
        place = urlsplit(f"//{header}")
        return place.hostname if place.port != 0 and place.netloc == header else None
    except ValueError:  # half an address, a port that is no number
        return None


def same_origin(origin: str, host_header: str) -> bool:
    """True for a request that a page of this server sends, by the headers Origin and Host."""
    return origin.partition("://")[2] == host_header
