"""Model bundles: a directory of plain data (manifest, weights, golden windows) that nothing has to be trusted to load.

`loader` is the way in for whoever serves, `writer.write_bundle` for whoever trains.
"""
