"""Protocols of judging: each a module of pure functions that say what to ask, what to send, and what came back."""
