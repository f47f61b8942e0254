"""Mails to people. Each kind is a durable job of the feature that knows what is in it."""

from delta_server.http.feature import Feature

FEATURE = Feature(name="mails")
