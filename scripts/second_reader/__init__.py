"""A second reader beside the rules: a linear model of words, trained on messages, that may only raise a floor.

`features` says what of a text counts, `model` what that comes to and how it is learned, `__main__` trains and judges.
Nothing of it is in the service yet.
"""
