"""From a request body to a forecast: pure functions and values, no socket, no clock, no file.

`inferencer` is the way in. Worker processes run it, `bundles.golden` checks with it, `training` prepares data with
the same rooms, so that what was trained is what is served.
"""
