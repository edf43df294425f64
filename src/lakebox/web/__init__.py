"""The parts of the page: HTML template, style and script."""
