"""What stands between a client and a venue, for real: nginx, haproxy and tinyproxy of the system's packages, where they are."""
