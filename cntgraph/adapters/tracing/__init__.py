"""What the operations of a model mean, once for all frameworks: no framework is imported here.

An adapter parses the arguments of one of its operations and calls a function of this package;
what only moves data is the framework's own operator, applied to node ids. `Tracer` lists what a
framework owes to be followed.
"""
