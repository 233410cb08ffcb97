"""Takes its input by keyword only, with more parameters than are ever given."""


def init():
    pass


def run(*, text, verbose=False):
    return {"text": text, "verbose": verbose}
