"""Tests of walks from the root."""
