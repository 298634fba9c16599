"""A worker for films and sounds: the same as others, with FFmpeg loaded before the first job instead of for it."""

import sys

from transforms.worker import Perform, main


def _load() -> Perform:
    import transforms.recordings  # noqa: F401
    from transforms.work import perform

    return perform


if __name__ == "__main__":
    main(sys.argv[1:], _load)
