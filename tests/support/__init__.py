"""Test support: a slow reference, generated projects, numbered media."""
