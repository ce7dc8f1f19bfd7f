-- SPDX-License-Identifier: Apache-2.0
-- Every statement the journal runs. "--: name types": what ?1, ?2 … are (i = integer, s = text or NULL, b = blob).

-- The writer
--: begin -
BEGIN IMMEDIATE
--: commit -
COMMIT
--: number_set si
INSERT INTO number (name, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = max(value, excluded.value)
--: number_get s
SELECT value FROM number WHERE name = ?1

--: op_begin issiis
INSERT INTO op (op, object, kind, generation, begun_ms, plan) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
--: op_open i
SELECT op FROM op WHERE op = ?1 AND outcome = 0
--: op_open_of s
SELECT op FROM op WHERE object = ?1 AND outcome = 0 ORDER BY op LIMIT 1
--: op_plan i
SELECT plan FROM op WHERE op = ?1 AND outcome = 0
--: op_end iiisb
UPDATE op SET ended_ms = ?2, outcome = ?3, why = ?4, pack = ?5, plan = NULL WHERE op = ?1 AND outcome = 0
--: op_old ii
SELECT op FROM op WHERE object = (SELECT object FROM op WHERE op = ?1) ORDER BY op DESC LIMIT 1 OFFSET ?2
--: op_oldest -
SELECT op FROM op WHERE outcome <> 0 ORDER BY op LIMIT 1
--: op_delete i
DELETE FROM op WHERE op = ?1 AND outcome <> 0
--: archive_delete i
DELETE FROM archive WHERE op = ?1

--: task_begin iissiis
INSERT INTO task (task, op, object, name, wave, begun_ms, text)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 FROM op WHERE op = ?2 AND outcome = 0
--: task_end iiiis
UPDATE task SET ended_ms = ?3, outcome = ?4, why = ?5 WHERE task = ?1 AND op = ?2 AND outcome = 0
--: task_get i
SELECT op, object, name, begun_ms, ended_ms, outcome, why FROM task WHERE task = ?1
--: task_is_open i
SELECT task FROM task WHERE task = ?1 AND outcome = 0
--: task_open_of i
SELECT task FROM task WHERE op = ?1 AND outcome = 0 ORDER BY task LIMIT 1
--: task_list i
SELECT task, wave, object, name, outcome, begun_ms, ended_ms, why, text, op FROM task WHERE op = ?1 ORDER BY wave, task
--: task_delete i
DELETE FROM task WHERE op = ?1

-- The same attempt begun again: it is open again, from now on.
--: step_begin issiiiiss
INSERT INTO step (task, object, name, attempt, seq, begun_ms, mono_ms, boot, baseline)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
ON CONFLICT DO UPDATE SET seq = excluded.seq, begun_ms = excluded.begun_ms, mono_ms = excluded.mono_ms,
    boot = excluded.boot, baseline = excluded.baseline, ended_ms = NULL, outcome = 0, detail = NULL
--: step_end issiiis
UPDATE step SET ended_ms = ?5, outcome = ?6, detail = ?7 WHERE task = ?1 AND object = ?2 AND name = ?3 AND attempt = ?4
-- A step that was true already has an end without a begin.
--: step_whole issiiiisis
INSERT INTO step (task, object, name, attempt, seq, begun_ms, mono_ms, boot, ended_ms, outcome, detail)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?6, ?9, ?10)
--: step_list i
SELECT object, name, attempt, outcome, begun_ms, ended_ms, baseline, detail FROM step_now WHERE task = ?1 ORDER BY seq
--: step_delete i
DELETE FROM step WHERE task = ?1
--: archive_add iib
INSERT INTO archive (op, task, pack) VALUES (?1, ?2, ?3)

--: word_id s
SELECT id FROM word WHERE text = ?1
--: word_add si
INSERT INTO word (text) SELECT ?1 WHERE (SELECT coalesce(max(id), 0) FROM word) < ?2
--: word_text i
SELECT text FROM word WHERE id = ?1

--: task_id_add ssii
INSERT INTO task_id (object, name, op, at_ms) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING
--: task_id_get ss
SELECT op FROM task_id WHERE object = ?1 AND name = ?2
--: decision_set siissi
INSERT INTO decision (object, op, task, code, text, since_ms, at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)
ON CONFLICT DO UPDATE SET op = excluded.op, task = excluded.task, text = excluded.text, at_ms = excluded.at_ms,
    since_ms = CASE WHEN code = excluded.code THEN since_ms ELSE excluded.since_ms END, code = excluded.code
--: decision_delete s
DELETE FROM decision WHERE object = ?1
-- What hosts (ns/installation/cluster/...) waited for in an operation that is over.
--: decisions_over i
DELETE FROM decision WHERE op = ?1 AND object GLOB '*/*/*'
--: incident_add isssi
INSERT INTO incident (op, object, code, text, at_ms) VALUES (?1, ?2, ?3, ?4, ?5)
--: incident_trim i
DELETE FROM incident WHERE id <= (SELECT max(id) FROM incident) - ?1
--: kv_set ss
INSERT INTO kv (name, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value
--: kv_delete s
DELETE FROM kv WHERE name = ?1
--: kv_get s
SELECT value FROM kv WHERE name = ?1

-- Recovery
--: open_ops -
SELECT op, object, kind, generation, plan FROM op WHERE outcome = 0 ORDER BY op
-- With one max() the other columns are those of the row that has it.
--: newest_steps i
SELECT t.op, s.object, s.name, max(s.attempt), s.begun_ms, s.mono_ms, s.boot, s.outcome, s.baseline, s.detail, s.seq
FROM task t CROSS JOIN step_now s ON s.task = t.task
WHERE t.task = ?1 AND t.outcome = 0 GROUP BY s.object, s.name ORDER BY s.seq

-- Readers. A prefix is compared by its length, so that % and _ in names are plain characters.
--: read_ops si
SELECT op, object, kind, generation, begun_ms, ended_ms, outcome, why FROM op
WHERE substr(object, 1, length(?1)) = ?1 ORDER BY op DESC LIMIT ?2
--: read_plan i
SELECT plan, pack FROM op WHERE op = ?1
--: read_steps i
SELECT t.task, t.name, s.object, s.name, s.attempt, s.outcome, s.begun_ms, s.ended_ms, s.baseline, s.detail
FROM task t CROSS JOIN step_now s ON s.task = t.task WHERE t.op = ?1
--: read_archive i
SELECT task, pack FROM archive WHERE op = ?1 ORDER BY id
--: read_decisions s
SELECT object, op, task, code, text, since_ms, at_ms FROM decision
WHERE substr(object, 1, length(?1)) = ?1 ORDER BY at_ms DESC, object
--: read_incidents si
SELECT id, op, object, code, text, at_ms FROM incident
WHERE substr(object, 1, length(?1)) = ?1 ORDER BY id DESC LIMIT ?2
