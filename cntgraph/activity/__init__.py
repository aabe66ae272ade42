"""What happens in a network while data run through it.

Inputs (`inputs`) run through a model, or through the blocks of its network (`propagation`), and
come out as batches of values per layer (`recording`). Every measure reads these batches once, and
keeps what does not grow with their number: moments (`moments`), a few samples (`sample`), graphs.
"""
