"""Model bundles: a directory of plain data (manifest, weights, golden windows) that nothing has to be trusted to load.

A bundle is served in two steps, `sealing` in the API process and `opener` in a worker; `loader` takes both at once.
`writer.write_bundle` is the way in for whoever trains.
"""
