"""`python -m api` is `headwater`."""

from api.cli import main

main()
