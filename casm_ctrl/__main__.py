"""`python -m casm_ctrl` is `casm`."""

from casm_ctrl.cli.main import main

main()
