"""`python -m delta_server` and the `delta-server` command."""

import multiprocessing


def main() -> None:
    multiprocessing.freeze_support()  # first: a child process of the frozen executable must not start a second server
    from delta_server.cli.main import run

    run()


if __name__ == "__main__":
    main()
