"""Where claims are worked: a task for each on the event loop.

`desk` keeps who is at work, `way` is the story of one claim, `door` stands before each of its stages.
"""
