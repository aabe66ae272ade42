"""Measures of the whole that need only products with the blocks: nothing is unrolled."""
