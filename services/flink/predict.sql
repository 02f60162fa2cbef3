-- Asks a served model about each row of a file of JSON lines. The test replaces the words that begin with a dollar sign.
SET 'execution.runtime-mode' = 'streaming';
CREATE TABLE texts (id INT, txt STRING) WITH ('connector' = 'filesystem', 'path' = '$FOLDER/texts.jsonl', 'format' = 'json');
CREATE TABLE labelled (id INT, label STRING) WITH ('connector' = 'filesystem', 'path' = '$FOLDER/labelled', 'format' = 'json');
CREATE TABLE embedded (id INT, vector ARRAY<FLOAT>) WITH ('connector' = 'filesystem', 'path' = '$FOLDER/embedded', 'format' = 'json');
CREATE MODEL labels INPUT (txt STRING) OUTPUT (label STRING) WITH (
  'provider' = 'openai', 'endpoint' = '$URL/v1/chat/completions', 'api-key' = '$KEY', 'model' = 'tickets',
  'system-prompt' = 'Name the topic.', 'temperature' = '0', 'max-tokens' = '8');
CREATE MODEL vectors INPUT (txt STRING) OUTPUT (vector ARRAY<FLOAT>) WITH (
  'provider' = 'openai', 'endpoint' = '$URL/v1/embeddings', 'api-key' = '$KEY', 'model' = 'tiny');
INSERT INTO labelled SELECT id, label FROM ML_PREDICT(TABLE texts, MODEL labels, DESCRIPTOR(txt));
INSERT INTO embedded SELECT id, vector FROM ML_PREDICT(TABLE texts, MODEL vectors, DESCRIPTOR(txt));
