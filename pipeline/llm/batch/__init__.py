"""Asking in batches: requests that go to a server in files and are answered within a day, at half the price."""
