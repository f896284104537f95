"""The command line: `serve`, `training` (with `demo-data`) and `bundle`, a room each, and `app`, which lists them."""
