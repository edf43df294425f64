"""`python -m lakebox` is `lakebox`."""

from lakebox.cli import main

main()
