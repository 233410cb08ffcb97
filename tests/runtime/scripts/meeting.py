"""Two calls of run() meet if they are under way at once; one alone waits the given seconds for the other."""

import threading

place = threading.Barrier(2)


def init():
    pass


def run(seconds):
    try:
        place.wait(timeout=float(seconds))
    except threading.BrokenBarrierError:
        place.reset()
        return "alone"
    return "met"
