"""What operators run on YANG; each is a console command and runs as `python scripts/NAME.py`, too."""
