"""Drives the server through the published client, and checks every answer against its types."""

import os
import time

import httpx
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

content = os.urandom(6 * 1024 * 1024)
cut = 5 * 1024 * 1024
created = checked(
    raw.create(
        file_name="notes.bin",
        content_type="application/octet-stream",
        file_size=len(content),
        kind="asset",
        parts=2,
    ),
    UploadCreateResponse,
)
brought = created.upload
assert_no_other_field(brought)
assert (brought.source, brought.status, brought.parts_count) == ("multipart", "pending", 2), brought
assert brought.provider is None and brought.original_file_name == "notes.bin", brought
for part, chunk in zip(brought.parts, [content[:cut], content[cut:]], strict=True):
    sent = httpx.put(part.url, content=chunk, timeout=120)
    assert sent.status_code == 200 and sent.headers["etag"], sent.text
completed = checked(
    raw.trigger_action(brought.id, action="complete"), UploadTriggerActionResponse
).upload
assert completed.parts is None, completed
for _ in range(600):
    brought = checked(raw.retrieve(brought.id), UploadRetrieveResponse).upload
    assert_no_other_field(brought)
    if brought.entity_id or brought.status in ("imported", "complete", "failed"):
        break
    time.sleep(0.1)
assert brought.status == "imported" and brought.entity_id, brought

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
    scenario_sdk.ConflictError, lambda: client.uploads.trigger_action(brought.id, action="complete")
)
refused(
    scenario_sdk.PermissionDeniedError,
    lambda: client.uploads.create(hugging_face_model_name="acme/tiny", project_id="not-mine"),
)
stranger = client.with_options(api_key="key_none")
refused(scenario_sdk.AuthenticationError, lambda: stranger.uploads.retrieve(upload.id))

print("every call was answered as the client expects")
