"""The verbs of the controller, on the store only: what must talk to a device is in `casm_ctrl.sync`.

One verb is one transaction, opened here. Answers are documents: JSON objects whose keys are the leaf
names of our YANG models.
"""
