"""What runs the network: `protocol` is the port, `linear` needs numpy only, `torch` is the one that imports torch."""
