"""The outside world, one vendor per module: export files, HTTP, PyAV, Pillow, JPEG coding, Deep Lake, threads, drawing."""
