"""Drives the server through the published client, and checks every answer against its types."""

import os
import time

import scenario_sdk
from pydantic import TypeAdapter
from scenario_sdk import Scenario
from scenario_sdk.types import (
    UploadCreateResponse,
    UploadRetrieveResponse,
    UploadTriggerActionResponse,
)

client = Scenario(
    base_url=os.environ["BASE_URL"],
    api_key=os.environ["API_KEY"],
    api_secret=os.environ["API_SECRET"],
    max_retries=0,
)


def checked(response, model):
    """A raw answer, held strictly against the client's own type."""
    assert response.http_response.status_code == 200, response.http_response.text
    TypeAdapter(model).validate_python(response.http_response.json())
    return response.parse()


def assert_no_other_field(upload):
    """Whatever the client's type has no field for would be kept as an extra."""
    known = {field.alias or name for name, field in type(upload).model_fields.items()}
    assert set(upload.model_extra or {}) <= known, upload.model_extra


raw = client.uploads.with_raw_response
created = checked(raw.create(hugging_face_model_name="acme/tiny"), UploadCreateResponse)
upload = created.upload
assert (upload.source, upload.status, upload.kind) == ("huggingface", "pending", "model"), upload
assert_no_other_field(upload)

for _ in range(600):
    upload = checked(raw.retrieve(upload.id), UploadRetrieveResponse).upload
    assert_no_other_field(upload)
    if upload.entity_id or upload.status in ("imported", "complete", "failed"):
        break
    time.sleep(0.1)
assert upload.status == "imported" and upload.entity_id, upload

again = client.uploads.create(url=os.environ["SILENT_URL"], kind="asset").upload
cancelled = checked(
    raw.trigger_action(again.id, action="cancel"), UploadTriggerActionResponse
).upload
assert cancelled.status == "failed" and cancelled.error_message.endswith("[cancelled]"), cancelled

plan = client.uploads.with_raw_response.create(hugging_face_model_name="acme/tiny", dry_run="true")
assert plan.http_response.status_code == 269, plan.http_response
assert plan.http_response.json()["creativeUnitsCost"] == 0


def refused(error, call):
    try:
        call()
    except error as caught:
        assert caught.response.json()["code"], caught.response.text
        return
    raise AssertionError(f"no {error.__name__}")


refused(scenario_sdk.BadRequestError, lambda: client.uploads.create(url=os.environ["SILENT_URL"]))
refused(scenario_sdk.NotFoundError, lambda: client.uploads.retrieve("upload_none"))
refused(
    scenario_sdk.ConflictError, lambda: client.uploads.trigger_action(again.id, action="cancel")
)
refused(
    scenario_sdk.PermissionDeniedError,
    lambda: client.uploads.create(hugging_face_model_name="acme/tiny", project_id="not-mine"),
)
stranger = client.with_options(api_key="key_none")
refused(scenario_sdk.AuthenticationError, lambda: stranger.uploads.retrieve(upload.id))

print("every call was answered as the client expects")
