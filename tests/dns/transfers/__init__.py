"""Tests of zone transfers."""
