"""Source `labelbox` and media of every kind of place, against a fake Labelbox through the real SDK."""

from __future__ import annotations

from support.live import Live, video_project

pytest_plugins = ["support.labelbox_fixtures", "support.live_fixtures"]


# ------------------------------------------------------------------------- exports


def test_a_project_comes_whole(live: Live) -> None:
    ids = video_project(live)
    report = live.run()
    assert report.ok
    assert live.wrong() == []
    assert live.numbers() == {f"{uid}:{frame}": (n, frame) for n, uid in enumerate(ids) for frame in range((6, 4)[n])}
