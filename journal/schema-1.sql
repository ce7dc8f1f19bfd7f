-- SPDX-License-Identifier: Apache-2.0
-- Version 1 of the journal. Later versions are files of their own (schema-2.sql …), never edits of this one.
-- Times are milliseconds since 1970; outcome is enum outcome of journal.h, 0 = not ended.

CREATE TABLE migration (version INTEGER PRIMARY KEY, applied_ms INTEGER NOT NULL, program TEXT NOT NULL) STRICT;

-- Highest operation and task number ever used: numbers are never given out twice, also after old rows went.
CREATE TABLE number (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;

-- plan while the operation runs; pack (plan and tasks, see archive.h) once it has ended.
CREATE TABLE op (
    op INTEGER PRIMARY KEY,
    object TEXT NOT NULL,
    kind TEXT NOT NULL,
    generation INTEGER NOT NULL,
    begun_ms INTEGER NOT NULL,
    ended_ms INTEGER,
    outcome INTEGER NOT NULL DEFAULT 0,
    why TEXT,
    plan TEXT,
    pack BLOB
) STRICT;
CREATE INDEX op_open ON op (op) WHERE outcome = 0;
CREATE INDEX op_object ON op (object, op);

-- Tasks of operations that have not ended.
CREATE TABLE task (
    task INTEGER PRIMARY KEY,
    op INTEGER NOT NULL,
    object TEXT NOT NULL,
    name TEXT NOT NULL,
    wave INTEGER NOT NULL,
    begun_ms INTEGER NOT NULL,
    ended_ms INTEGER,
    outcome INTEGER NOT NULL DEFAULT 0,
    why TEXT,
    text TEXT
) STRICT;
CREATE INDEX task_op ON task (op);

-- Steps of tasks that have not ended. seq: order in which they began.
CREATE TABLE step (
    task INTEGER NOT NULL,
    object TEXT NOT NULL,
    name TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    begun_ms INTEGER NOT NULL,
    mono_ms INTEGER NOT NULL,
    boot TEXT NOT NULL,
    ended_ms INTEGER,
    outcome INTEGER NOT NULL DEFAULT 0,
    baseline TEXT,
    detail TEXT,
    PRIMARY KEY (task, object, name, attempt)
) STRICT, WITHOUT ROWID;

-- A host is in one step of a task at a time: a step that was left open when a later one began has been superseded (5).
CREATE VIEW step_now AS
SELECT task, object, name, attempt, seq, begun_ms, mono_ms, boot, ended_ms, baseline, detail,
    CASE
        WHEN outcome = 0 AND EXISTS (SELECT 1 FROM step l WHERE l.task = s.task AND l.object = s.object AND l.seq > s.seq)
        THEN 5 ELSE outcome
    END AS outcome
FROM step s;

-- One row per ended task: its steps, packed (archive.h, pack.h). Rows are only appended, so pages are full.
CREATE TABLE archive (id INTEGER PRIMARY KEY, op INTEGER NOT NULL, task INTEGER NOT NULL, pack BLOB NOT NULL) STRICT;
CREATE INDEX archive_op ON archive (op);

-- Words that packed rows refer to by number.
CREATE TABLE word (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;

CREATE TABLE task_id (
    object TEXT NOT NULL,
    name TEXT NOT NULL,
    op INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (object, name)
) STRICT, WITHOUT ROWID;

-- since_ms: first time of this code for the object; at_ms: last time it was said.
CREATE TABLE decision (
    object TEXT PRIMARY KEY,
    op INTEGER NOT NULL,
    task INTEGER NOT NULL,
    code TEXT NOT NULL,
    text TEXT,
    since_ms INTEGER NOT NULL,
    at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE incident (
    id INTEGER PRIMARY KEY,
    op INTEGER NOT NULL,
    object TEXT NOT NULL,
    code TEXT NOT NULL,
    text TEXT,
    at_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE kv (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
