"""Originals elsewhere in parts: what was read of them is kept, block by block."""
