"""What use is to be expected, and when device pools, pools and spaces run dry: pure, from what was counted.

`pattern` learns day, week and growth of one device pool; `exhaustion` says when that meets a capacity; `supply` adds
up what many device pools need of the pools that they draw from; `growth` is what somebody expects beside.
"""
