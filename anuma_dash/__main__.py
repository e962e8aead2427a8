"""`python -m anuma_dash`: operator commands."""

from anuma_dash.cli import main

main()
