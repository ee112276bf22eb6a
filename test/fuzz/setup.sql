-- What the fuzz targets need in the database: models, and the statements of the target "use". Files to begin with go to the folder :seeds.
\set ON_ERROR_STOP on
SET client_min_messages = error;
\i :models

-- what test/models has not: newer architectures and options; starts and parts of a table
INSERT INTO models
SELECT name, 1, small(of_classes(1) || options), NULL FROM (VALUES
    ('deepfm', '{"architecture": "deepfm", "d_embed": 2}'::jsonb), ('wide_deep', '{"architecture": "wide_deep", "d_embed": 2}'),
    ('counted', '{"crosses": [["c2", "c1"]], "cross_counts": true}'), ('untrained', '{"epochs": 0}'), ('two', '{"candidates": 2, "epochs": 2, "validation": 0.3}')) m (name, options);
UPDATE models SET model = (SELECT ctr_train(t, options) FROM training t) WHERE model IS NULL;
CREATE TABLE prepared (pass int, part ctr_model);
INSERT INTO prepared SELECT 1, ctr_prepare(t, small(of_classes(1) || '{"crosses": "none"}')) FROM training t;
INSERT INTO prepared SELECT 2, ctr_merge(part) FROM prepared WHERE pass = 1;
INSERT INTO prepared SELECT 3, ctr_prepare(t, NULL, part) FROM training t, prepared WHERE pass = 2 GROUP BY part;
INSERT INTO prepared SELECT 4, ctr_merge(part) FROM prepared WHERE pass = 3;
INSERT INTO prepared SELECT 5, ctr_train(t, '{"epochs": 1}', part) FROM training t, prepared WHERE pass = 4 GROUP BY part;

-- The same kinds, as small as can be: most of the inputs of "use" begin with these. The statements have few rows, too.
CREATE TABLE few AS SELECT * FROM training LIMIT 10;
CREATE VIEW asked AS SELECT * FROM scored WHERE id IN (1, 4, 5);
CREATE TABLE tiny AS
SELECT name, (SELECT ctr_train(t, options || smaller || '{"mlp_layers": [2], "epochs": 1}'
                                  || jsonb_build_object('ignore', options->'ignore' || (SELECT jsonb_agg(c) FROM unnest('{n2,n3,c2,c3}'::text[]) c WHERE NOT options->'ignore' ? c), 'categorical', '[]'::jsonb)) FROM training t) AS model
FROM models, LATERAL (SELECT coalesce(jsonb_object_agg(key, value), '{}') AS smaller
    FROM jsonb_each('{"crosses": [["c1", "c4"]], "candidates": 1, "low_rank": 1, "n_cross": 1, "d_embed": 1, "d_embed_max": 1}') WHERE options ? key) s
WHERE name !~ '^(gone_on|crosses_counted|numbers_only|transform_none|transform_standard|untrained|two)$';

-- Everything that can be done with a model. A statement may raise an error, but its first column may not be false. Each is run with
-- one model in so many.
CREATE TABLE uses (id serial, statement text, every int DEFAULT 8);
INSERT INTO uses (statement)
SELECT format(s, scores) FROM (VALUES ('ctr_predict(m, s)'), ('(ctr_predict_classes(m, s))[1]')) f (scores), unnest(ARRAY[
    -- scores are probabilities, whichever way they are asked for: one row, a block of rows, by columns, ordered by them
    'SELECT bool_and(p BETWEEN 0 AND 1) FROM (SELECT %1$s AS p FROM (SELECT $1 AS m OFFSET 0) g, asked s WHERE id = 1) p',
    'SELECT bool_and(p BETWEEN 0 AND 1) FROM (SELECT %1$s AS p FROM (SELECT $1 AS m OFFSET 0) g, asked s) p',
    'SELECT bool_and(p BETWEEN 0 AND 1) FROM (SELECT %1$s AS p FROM (SELECT $1 AS m OFFSET 0) g, (SELECT * FROM asked OFFSET 0) s) p']) s;
INSERT INTO uses (statement) VALUES
    ('SELECT abs(ctr_predict($1, s) - ctr_predict_batch($1, s) OVER ()) < 1e-4 FROM asked s'),
    ('SELECT abs(a - b) < 1e-4 FROM (SELECT ctr_predict($1, s) AS a, ctr_predict($1, (SELECT r FROM asked r WHERE r.id = s.id)) AS b FROM asked s) p'),
    ('SELECT (s).id IS NOT NULL FROM (SELECT s FROM asked s ORDER BY ctr_predict($1, s) LIMIT 2) s'),
    ('SELECT ctr_encode($1, s) FROM asked s'), ('SELECT ctr_evaluate($1, t) FROM few t'), ('SELECT ctr_drift($1, s) FROM asked s'),
    ('SELECT e.* FROM asked s, ctr_explain($1, s) e'), ('SELECT e.* FROM asked s, ctr_explain($1, s, 1) e WHERE s.id < 3'),
    ('SELECT ctr_config($1)'), ('SELECT ctr_describe($1)'), ('SELECT * FROM ctr_summary($1)'), ('SELECT * FROM ctr_history($1)'), ('SELECT * FROM ctr_features($1)'),
    ('SELECT name, ctr_tensor($1, name) FROM ctr_tensors($1)'), ('SELECT * FROM ctr_importance($1)'), ('SELECT * FROM ctr_interactions($1)'),
    ('SELECT v.* FROM ctr_features($1) f, ctr_vocabulary($1, f.name) v WHERE kind = ''categorical'''), ('SELECT e.* FROM ctr_features($1) f, ctr_embeddings($1, f.name) e WHERE kind = ''categorical'''),
    ('SELECT ctr_plot($1, p) FROM unnest(''{loss,auc}''::text[]) p'), ('SELECT ctr_plot($1, ''importance'')'), ('SELECT ctr_plot($1, ''interactions'')'),
    ('SELECT ctr_report($1) !~ ''<script'''), ('SELECT ctr_to_onnx($1)'), ('SELECT ctr_load_weights($1, ctr_state_dict($1)) IS NOT NULL'),
    ('SELECT ctr_from_chunks(part, bytes)::bytea = $1::bytea FROM ctr_chunks($1, 1000)'), ('SELECT $1::text::ctr_model = $1'), ('SELECT ctr_model_cmp($1, $1) = 0'),
    ('SELECT ctr_train(t, ''{"epochs": 1}'', $1)::bytea::ctr_model IS NOT NULL FROM few t'),
    ('SELECT bool_and(p BETWEEN 0 AND 1) FROM (SELECT ctr_predict(m, s) AS p FROM (SELECT ctr_train(t, ''{"epochs": 1}'', $1) AS m FROM few t) n, asked s) p'),
    ('SELECT ctr_merge($1, ctr_changes(m, $1))::bytea::ctr_model IS NOT NULL FROM (SELECT $1 UNION ALL SELECT part FROM prepared WHERE pass = 5) v (m)'),
    ('SELECT ctr_merge(m, c)::bytea::ctr_model IS NOT NULL FROM (SELECT m, ctr_changes($1, m) AS c FROM (SELECT part FROM prepared WHERE pass = 4) v (m), generate_series(1, 2)) s'),
    ('SELECT ctr_apply(part, ctr_changes($1, part)) = $1 FROM prepared WHERE pass = 4'),
    ('SELECT ctr_merge($1)::bytea::ctr_model IS NOT NULL'), ('SELECT ctr_merge(m)::bytea::ctr_model IS NOT NULL FROM (VALUES ($1), ($1)) v (m)'),
    ('SELECT ctr_merge(m)::bytea::ctr_model IS NOT NULL FROM (SELECT $1 UNION ALL SELECT part FROM prepared WHERE pass = 1) v (m)'),
    ('SELECT ctr_merge(m)::bytea::ctr_model IS NOT NULL FROM (SELECT $1 UNION ALL SELECT part FROM prepared WHERE pass = 3) v (m)'),
    ('SELECT ctr_merge(m)::bytea::ctr_model IS NOT NULL FROM (SELECT $1 UNION ALL SELECT part FROM prepared WHERE pass = 5) v (m)'),
    ('SELECT (s).model::bytea::ctr_model IS NOT NULL FROM (SELECT ctr_step(part, $1, NULL, 0.5) AS s FROM prepared WHERE pass = 4 OFFSET 0) s'),
    ('SELECT (s).model::bytea::ctr_model IS NOT NULL FROM (SELECT ctr_step($1, part, NULL, 0.5) AS s FROM prepared WHERE pass = 5 OFFSET 0) s'),
    ('SELECT (s).model::bytea::ctr_model IS NOT NULL FROM (SELECT ctr_step(part, part, $1, 0.5) AS s FROM prepared WHERE pass = 5 OFFSET 0) s'),
    ('SELECT ctr_prepare(t, NULL, $1)::bytea::ctr_model IS NOT NULL FROM few t');
INSERT INTO uses (statement, every) VALUES ('SELECT * FROM ctr_estimate($1)', 1000); -- measures the machine's speed
UPDATE uses SET every = 24 WHERE statement ~ 'ctr_tensor|ctr_train|ctr_report|ctr_vocabulary|interactions|ctr_embeddings'; -- what takes long

-- the files to begin with, by target
CREATE FUNCTION put(target text, name text, bytes bytea) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    object oid := lo_from_bytea(0, bytes);
BEGIN
    PERFORM lo_export(object, format('%s/%s/%s', current_setting('fuzz.seeds'), target, name));
    PERFORM lo_unlink(object);
END $$;
SELECT set_config('fuzz.seeds', :'seeds', false) \g /dev/null
SELECT put(target, name, model::bytea) FROM models, unnest('{load,onnx,use}'::text[]) target \g /dev/null
SELECT put(target, 'pass_' || pass, part::bytea) FROM prepared, unnest('{load,use}'::text[]) target \g /dev/null
SELECT put('use', 'tiny_' || name, model::bytea) FROM tiny \g /dev/null
SELECT put('weights', name, ctr_state_dict(model)) FROM models \g /dev/null
SELECT put('options', name, convert_to((options - 'c')::text, 'UTF8')) FROM models \g /dev/null
SELECT put('options', 'all', convert_to(ctr_options(options)::text, 'UTF8')) FROM models WHERE name = 'plain' \g /dev/null
SELECT put('record', name, convert_to(convert_from(substr(file, 9, get_byte(file, 0) + 256 * get_byte(file, 1)), 'UTF8')::jsonb->'__metadata__'->>'options', 'UTF8'))
FROM (SELECT name, model::bytea AS file FROM models) f \g /dev/null
SELECT put('markup', 'text', convert_to(E'a<b>&"''\u00e9\u202e\U0001F600\u0085 name', 'UTF8')) \g /dev/null
