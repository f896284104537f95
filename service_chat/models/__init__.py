"""Models: where a model file comes from and how it gets onto this disk whole. `store` is the way in."""
