"""The trial: architectures that nobody here wrote, each loaded and audited in a watched process."""
