"""Small servers on loopback that misbehave on purpose, and certificates for them."""
