"""From a framework's model to a `Network`: one package per framework, and what they share.

This is the only place where a framework is imported.
"""
