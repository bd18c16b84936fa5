#!/usr/bin/env python3
"""Puts records into a database as weeks of work would have left them.

seed.py DATABASE COUNT DAYS: uploads over the last days, with files, entities
and failures of every sort. seed.py DATABASE runs: runs of the syncs there are."""

import json
import random
import sqlite3
import sys
import time
import uuid

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


def seed_uploads(place, count, days):
    """Uploads, the newest a minute ago."""
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


def seed_runs(place):
    """Runs of every sync there is, one a day of the last five weeks."""
    with sqlite3.connect(place, timeout=60) as database:
        for (sync,) in database.execute("SELECT id FROM syncs ORDER BY id").fetchall():
            for day in range(1, 35):
                at = now - day * 86_400_000 - pick.randrange(3_600_000)
                failed = pick.random() < 0.06
                new = 0 if failed or pick.random() < 0.6 else pick.randrange(1, 4)
                named = [{"source": f"harbour/{pick.choice(names)}-{pick.choice(tails)}", "name": "", "revision": f"{pick.getrandbits(160):040x}"} for _ in range(new)]
                for one in named:
                    one["name"] = one["source"]
                counts = {"seen": 20, "new": new, "changed": 0, "unchanged": 20 - new, "failed": 0, "missing": 0, "pruned": 0, "bytes": new * gib}
                difference = {"new": named, "changed": [], "missing": [], "failed": [], "pruned": [], "cut": False}
                error = {"code": "upstream_error", "message": "the hub answered 502", "hint": "the next run tries again"} if failed else None
                database.execute(
                    "INSERT INTO sync_runs (id, sync_id, cause, status, started_at, ended_at, counts, error, difference) VALUES (?,?,?,?,?,?,?,?,?)",
                    (f"run_{at:012x}7{pick.getrandbits(76):019x}", sync, "schedule", "failed" if failed else "done", at, at + 40_000,
                     json.dumps(counts), json.dumps(error) if error else None, json.dumps(difference)))


if sys.argv[2] == "runs":
    seed_runs(sys.argv[1])
else:
    seed_uploads(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
