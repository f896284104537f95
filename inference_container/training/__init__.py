"""From a CSV file to a bundle: read and judge the data, fit, back-test, write. `commands.training` runs it.

It prepares series with the rooms that serve them (`forecasting.frame`, `windows`, `scaling`), so that a bundle sees in
production what it saw here.
"""
