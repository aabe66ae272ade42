"""From a framework's model to a `Network`: one file a framework, and what they share.

This is the only place where a framework is imported.
"""
