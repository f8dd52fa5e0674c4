"""`python -m i2i`: the command line."""

from i2i.cli import main

main()
