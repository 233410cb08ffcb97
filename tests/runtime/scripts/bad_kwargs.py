def init():
    pass


def run(data, **more):
    return data
