"""The one way out to other servers. Nothing else opens a connection."""
