"""The store: what is wanted, what was last seen, and every change of either. The only SQL there is.

Functions here take an open transaction and do one thing; which of them make a verb is decided in
`casm_ctrl.service`. Constraints that must never fail live in the database (promise 1).
"""
