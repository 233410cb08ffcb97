"""The entry script by name, where AZUREML_ENTRY_SCRIPT is not set."""


def init():
    pass


def run(data):
    return {"module": __name__, "data": data}
