"""That the server should start itself again: asked for on the event loop, seen to by whoever runs the application."""


class Restart:
    is_wanted = False
