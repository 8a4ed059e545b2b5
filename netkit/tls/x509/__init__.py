"""Certificates and keys: their encodings (DER, PEM), their parts, and who signed what."""
