"""Make devices hold what the store wants, and bring back what they really hold.

Level-triggered: nothing is remembered between visits but what the store holds, so that after any crash
the same loop runs again (design: Shape).
"""
