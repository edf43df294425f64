"""The outside world, one vendor per module: files, HTTP, PyAV, Pillow, JPEG coding, Deep Lake, threads, drawing."""
