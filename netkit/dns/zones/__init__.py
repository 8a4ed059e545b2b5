"""Zones: master files read (RFC 1035 section 5), from text or from disk, and what a server looks up."""
