"""The REST routes, good and bad."""
