"""A server whose workers for films are those of `tests.streaming_worker`; with `--recipes=N` it has so many recipes."""

import sys

from proxy import __main__, machinery
from transforms.video.recipes import RECIPES

if __name__ == "__main__":
    machinery.FILM_WORKER = (sys.executable, "-m", "tests.streaming_worker")
    for argument in [argument for argument in sys.argv if argument.startswith("--recipes=")]:
        sys.argv.remove(argument)
        number = int(argument.partition("=")[2])
        machinery.RECIPES = {n: RECIPES[max(RECIPES)] for n in range(1, number + 1)}
    __main__.main()
