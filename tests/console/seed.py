#!/usr/bin/env python3
"""Puts uploads into a database as imports would have left them: COUNT of them
over the last DAYS days, with files, entities and failures of every sort."""

import json
import random
import sqlite3
import sys
import time
import uuid

place, count, days = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
pick = random.Random(7)
now = int(time.time() * 1000)
providers = ["huggingface"] * 6 + ["civitai"] * 3 + ["other"]
codes = ["gated", "not_found", "hash_mismatch", "rate_limited", "unsafe_pickle", "upstream_error", "cancelled"]
words = {
    "gated": "the repository asks you to accept its terms first",
    "not_found": "the hub has nothing of this name",
    "hash_mismatch": "model.safetensors has another SHA-256 than the hub states",
    "rate_limited": "the hub was asked too often",
    "unsafe_pickle": "pytorch_model.bin would run os.system when it is loaded",
    "upstream_error": "the hub answered 502",
    "cancelled": "the upload was cancelled",
}
hint = "nothing was stored; try again, or choose other files"
names = ["tugboat", "lantern", "compass", "anchor", "buoy", "harbour", "keel", "rudder", "mast", "tide"]
tails = ["7b", "xl", "mini", "v2", "instruct", "lora", "vae", "embed", "gguf", "base"]
gib = 1024**3

database = sqlite3.connect(place, timeout=60)
uploads, artifacts, entities, files = [], [], [], []
for nth in range(count):
    # Busy days and quiet ones, fewer in the past.
    age = (nth / max(count, 1)) * days * 86_400_000 * (0.98 + 0.04 * pick.random())
    at = int(now - 60_000 - age)
    upload = f"upload_{at:012x}7{nth:019x}"
    provider = pick.choice(providers)
    name = f"{pick.choice(names)}-{pick.choice(tails)}"
    shown = {"huggingface": f"harbour/{name}", "civitai": name.title(), "other": f"{name}.safetensors"}[provider]
    failed = pick.random() < 0.07
    code = pick.choice(codes) if failed else None
    size = int(gib * pick.choice([0.2, 0.5, 1.5, 4, 7, 13]) * (0.8 + 0.4 * pick.random()))
    plan = json.dumps({"reference": shown, "revision": uuid.UUID(int=pick.getrandbits(128)).hex})
    ended = at + pick.randrange(4000, 400_000)
    entity = f"model_{uuid.UUID(int=pick.getrandbits(128)).hex}"
    uploads.append((
        upload, "local", "local", at, min(ended, now), shown, "model", "url" if provider == "other" else provider,
        "failed" if failed else "imported", None if failed else entity,
        f"{words[code]} [{code}]" if failed else None, size, f"job_{upload}", provider,
        f"https://example.com/{name}.safetensors" if provider == "other" else None, "{}", upload, None if failed else plan, code,
        hint if failed else None,
    ))
    sha256 = f"{pick.getrandbits(256):064x}"
    reused = not failed and pick.random() < 0.25
    artifacts.append((upload, 0, "model.safetensors", size, sha256, "failed" if failed else "stored", "sha256",
                      0 if reused else size // (3 if failed else 1), reused, False))
    if not failed:
        entities.append((entity, "local", "model", shown, upload, min(ended, now)))
        files.append((entity, "model.safetensors", size, sha256))

with database:
    database.executemany(
        "INSERT INTO uploads (id, owner_id, author_id, created_at, updated_at, file_name, kind, source, status, entity_id, "
        "error_message, file_size, job_id, provider, url, request, request_key, plan, error_code, error_hint) "
        "VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", uploads)
    database.executemany(
        "INSERT INTO artifacts (upload_id, position, path, size, sha256, status, verification, bytes_transferred, reused, repaired) "
        "VALUES (?,?,?,?,?,?,?,?,?,?)", artifacts)
    database.executemany("INSERT INTO entities (id, owner_id, kind, name, upload_id, created_at) VALUES (?,?,?,?,?,?)", entities)
    database.executemany("INSERT INTO entity_files (entity_id, path, size, sha256) VALUES (?,?,?,?)", files)
