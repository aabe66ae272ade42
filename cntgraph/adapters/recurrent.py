"""Moved."""

from cntgraph.adapters.builder.recurrent import Gate, gru, lstm, rnn

__all__ = ["Gate", "gru", "lstm", "rnn"]
