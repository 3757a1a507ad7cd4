"""Where parts come from besides HTTP: watched folders, cameras, streams, video files."""
