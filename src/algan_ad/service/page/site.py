"""The page put together: its views and its files."""

from pathlib import Path

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from algan_ad.service.page import (
    history,
    live,
    models,
    pictures,
    preferences,
    queue,
    sign_in,
    status,
    threshold,
    trends,
)
from algan_ad.service.page.latest import Latest
from algan_ad.service.station import Station

STATIC = Path(__file__).parent / "static"  # needs no token: it says nothing about the station


def add_page(app: FastAPI, station: Station) -> None:
    """Add the page of a station to its app."""
    app.state.latest = Latest(station)
    for each in (live, queue, history, pictures, trends, threshold, models, status, sign_in, preferences):
        app.include_router(each.router)
    app.mount("/static", StaticFiles(directory=STATIC))
