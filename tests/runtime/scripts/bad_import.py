import a_module_that_nobody_has


def init():
    pass


def run(data):
    return data
