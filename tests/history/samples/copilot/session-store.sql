-- Written by Copilot CLI 1.0.102. Columns that are not read are left out.
CREATE TABLE assistant_usage_events (id INTEGER PRIMARY KEY AUTOINCREMENT, session_id TEXT NOT NULL, model TEXT NOT NULL, input_tokens INTEGER, output_tokens INTEGER, cache_read_tokens INTEGER, cache_write_tokens INTEGER, reasoning_tokens INTEGER, total_nano_aiu INTEGER, initiator TEXT, created_at TEXT DEFAULT (datetime('now')));
INSERT INTO assistant_usage_events VALUES (1, 'b8d8670a-2185-4a5d-a71f-620ad7057f35', 'example-model', 3000, 42, 2000, 0, 0, NULL, 'user', '2026-11-27T16:29:35.255Z');
INSERT INTO assistant_usage_events VALUES (2, 'b8d8670a-2185-4a5d-a71f-620ad7057f35', 'example-model', 3000, 42, 2000, 0, 0, NULL, 'agent', '2026-11-27T16:29:35.404Z');
INSERT INTO assistant_usage_events VALUES (3, 'b8d8670a-2185-4a5d-a71f-620ad7057f35', 'example-model', 3000, 42, 2000, 0, 0, NULL, 'agent', '2026-11-27T16:29:35.593Z');
INSERT INTO assistant_usage_events VALUES (4, 'b8d8670a-2185-4a5d-a71f-620ad7057f35', 'example-model', 3000, 42, 2000, 0, 0, NULL, 'agent', '2026-11-27T16:29:35.617Z');
INSERT INTO assistant_usage_events VALUES (5, 'b8d8670a-2185-4a5d-a71f-620ad7057f35', 'example-model', 3000, 42, 2000, 0, 0, NULL, 'user', '2026-11-27T16:29:37.320Z');
