"""What `-h` says."""

from __future__ import annotations

from knack.help_files import helps

helps["ml-func"] = """
type: group
short-summary: Take a trained machine-learning model to a live Azure Functions app.
"""

helps["ml-func package"] = """
type: command
short-summary: Package a model and its entry script as the container image of a function app.
long-summary: >
    The entry script holds init() and run(), unchanged from Azure Machine Learning. Everything is checked before
    anything is built, without running any of your code, and all findings are shown at once. The image is always for
    linux/amd64. The result names it by digest (location) and by tag, and says what was packed.
examples:
  - name: Package a model for HTTP and push it to an Azure Container Registry.
    text: >
        az ml-func package --model model.pkl --entry-script score.py --conda-file environment.yml
        --registry myregistry
  - name: Package a model that scores blobs as they arrive.
    text: >
        az ml-func package --model model.pkl --entry-script score.py --conda-file environment.yml --trigger blob
        --input-path input/{blobname}.json --output-path output/{blobname}_out.json --registry myregistry
  - name: Package a folder of model files that scores the messages of a Service Bus queue.
    text: >
        az ml-func package --model ./model --entry-script src/score.py --source-directory src
        --requirements requirements.txt --trigger service-bus-queue --input-queue inqueue --output-queue outqueue
        --registry myregistry
  - name: Package a registered model with its environment; the image ends in the workspace's own registry.
    text: >
        az ml-func package --resource-group mygroup --workspace-name myworkspace --model azureml:diabetes@latest
        --environment azureml:diabetes-env:3 --entry-script score.py
  - name: Package what the deployment file of an online endpoint names.
    text: >
        az ml-func package --resource-group mygroup --workspace-name myworkspace --file deployment.yml
  - name: Package an MLflow model, which needs neither script nor environment.
    text: >
        az ml-func package --model ./mlflow-model --registry myregistry
  - name: Write the build context with its Dockerfile to a folder, and build nothing.
    text: >
        az ml-func package --model model.pkl --entry-script score.py --requirements requirements.txt
        --context-only ./context
"""

helps["ml-func deploy"] = """
type: command
short-summary: Make the function app of an image and everything around it, and wait until it answers.
long-summary: >
    Makes what is not there: resource group, plan, storage accounts, the trigger's containers or queues, Application
    Insights, and the app itself, written once with its image and all settings. What is there is used as it is. The
    command ends when the function is loaded. Run again, it changes nothing, or goes on where it was interrupted.
    What it makes is tagged with the app's name (ml-func-app).
examples:
  - name: Deploy an image to a new function app.
    text: >
        az ml-func deploy --resource-group mygroup --name myapp --location westeurope
        --image myregistry.azurecr.io/package:20260101120000
  - name: See what would be made, without making it.
    text: >
        az ml-func deploy --resource-group mygroup --name myapp --image myregistry.azurecr.io/package:20260101120000
        --dry-run --output table
  - name: Score the blobs of a storage account that is there, on an Elastic Premium plan.
    text: >
        az ml-func deploy --resource-group mygroup --name myapp --image myregistry.azurecr.io/package:20260101120000
        --trigger-storage-account mydata --sku EP1
  - name: Deploy an image of another registry; its password is in the environment variable MLFUNC_REGISTRY_PASSWORD.
    text: >
        az ml-func deploy --resource-group mygroup --name myapp --image registry.example.com/models/package:1
        --registry-username puller
"""

helps["ml-func test"] = """
type: command
short-summary: Send an event to a function app and wait for its prediction, or find out why none comes.
long-summary: >
    What the app is called by comes from the labels of its image, so that nothing else has to be given. The event of a
    test has a name of its own: nothing is overwritten, messages and blobs of others are left alone, and inputs and
    outputs are removed afterwards. Where no answer comes the command finds out why. The exit code is 0 only when every
    event was answered, and as expected.
examples:
  - name: Send a file, and show the prediction.
    text: >
        az ml-func test --resource-group mygroup --name myapp --data @sample.json
  - name: Hold the prediction against an expected one.
    text: >
        az ml-func test --resource-group mygroup --name myapp --data @sample.json --expect expected.json
        --tolerance 0.001 --query passed
  - name: Send every file of a folder, 32 at a time, and write a page about it.
    text: >
        az ml-func test --resource-group mygroup --name myapp --input-directory events --output-directory answers
        --concurrency 32 --report report.html
  - name: Run an image on this machine, before it is deployed, and send it an event.
    text: >
        az ml-func test --local --image myregistry.azurecr.io/package:20260101120000 --data @sample.json
  - name: Build and run a context that was written with package --context-only.
    text: >
        az ml-func test --local --context ./context --data @sample.json
  - name: Send a request of one's own to an app with an HTTP trigger.
    text: >
        az ml-func test --resource-group mygroup --name myapp --data "" --method GET --path /swagger.json
"""
