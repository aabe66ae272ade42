"""What changed between two networks, block by block."""
