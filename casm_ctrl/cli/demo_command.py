"""`casm demo`: the main job, told step by step."""

from __future__ import annotations

import typer

from casm_ctrl.cli.call import Answer, Call, command


def register(app: typer.Typer, panel: str) -> None:
    @command(app, "demo", panel=panel, examples=("casm demo",))
    def demo(call: Call) -> Answer:
        """Show the main job on simulated devices: allocate, install over NETCONF, prove it, take it back.

        Uses a store of its own in a temporary folder and devices on loopback. Needs no root and leaves nothing.
        """
        from casm_ctrl.cli.demo import play

        return play(call)
