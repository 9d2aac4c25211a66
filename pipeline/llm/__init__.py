"""Asking models: one way for every stage, and the only place that knows the openai package."""
