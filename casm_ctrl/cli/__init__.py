"""The command `casm`: how people and scripts reach the verbs, and where the layers are put together.

What a command needs is imported when it runs: `casm --help` and the completion of names stay quick.
"""
