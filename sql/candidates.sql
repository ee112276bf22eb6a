-- candidates: settings that are compared by validation rows, which of them is the result, and what the model says of it
\set VERBOSITY terse
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS ctr;
CREATE SCHEMA candidates;
SET search_path = candidates, public;
SET ctr.threads = 1;
\i sql/forge.psql
CREATE FUNCTION uniform(i bigint, seed int) RETURNS float8 LANGUAGE sql IMMUTABLE AS
$$ SELECT ((hashint8extended(i, seed) & 1048575) + 0.5) / 1048576 $$;
CREATE FUNCTION digest(m ctr_model) RETURNS text LANGUAGE sql AS $$ SELECT md5(ctr_state_dict(m)) $$;
-- what was tried: the first setting is the options as they are
CREATE FUNCTION tried(m ctr_model) RETURNS TABLE (setting text, chosen bool, measured bool) LANGUAGE sql AS
$$ SELECT s->>'setting', (s->'chosen')::bool, (s->>'val_loss')::float8 > 0 AND (s->>'val_auc')::float8 > 0 AND (s->'epochs')::int > 0
   FROM jsonb_array_elements(ctr_config(m)->'candidates') WITH ORDINALITY e(s, n) ORDER BY n $$;

-- Chance rules these labels, nearly, and a rate that stays high fits it: half of it must be better.
CREATE TABLE noise AS
SELECT i AS id, (uniform(i, 1) < 0.3 + 0.1 * uniform(i, 2))::int AS label, uniform(i, 2) AS x, uniform(i, 3) AS y,
       'c' || (40 * uniform(i, 4))::int AS c, i % 4 = 0 AS held
FROM (SELECT i::bigint FROM generate_series(1, 3000) i) i;
CREATE FUNCTION options(more jsonb) RETURNS jsonb LANGUAGE sql AS
$$ SELECT '{"ignore": ["id", "held"], "lr_schedule": "constant", "batch_size": 8, "epochs": 3, "mlp_layers": [16],
            "candidates": 3}' || more $$;
CREATE TABLE models AS SELECT name, ctr_train(n, options(more)) AS model
FROM noise n, (VALUES ('chosen', '{}'::jsonb), ('by hand', '{"candidates": 1, "learning_rate": 0.001}'),
                      ('given', '{"learning_rate": 0.002}')) o(name, more) GROUP BY name;
SELECT name, t.* FROM models, tried(model) t ORDER BY name, setting;
SELECT ctr_config(model)->'options'->'learning_rate' AS rate, ctr_config(model)->'options'->'candidates' AS candidates
FROM models WHERE name = 'chosen';
-- the result, its history among it, is that of a training with the chosen setting's options
SELECT digest(c.model) = digest(h.model) AS same_weights,
       NOT EXISTS (SELECT epoch, train_loss, val_loss, is_best FROM ctr_history(c.model)
                   EXCEPT SELECT epoch, train_loss, val_loss, is_best FROM ctr_history(h.model)) AS same_history,
       (SELECT (s->'val_loss')::float8 FROM jsonb_array_elements(ctr_config(c.model)->'candidates') s WHERE (s->'chosen')::bool)
       = (SELECT min(val_loss) FROM ctr_history(h.model)) AS same_loss
FROM models c, models h WHERE c.name = 'chosen' AND h.name = 'by hand';

-- the same for any threads, memory and order of rows; with a cooldown, too, the result is that of a training by hand
CREATE FUNCTION cooled(more jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS
$$ SELECT options('{"lr_schedule": "cooldown", "epochs": 4, "batch_size": 64}' || more) $$;
CREATE FUNCTION all_of_it(m ctr_model) RETURNS text LANGUAGE sql AS $$ SELECT md5(digest(m) || (ctr_config(m)->'candidates')::text) $$;
INSERT INTO models SELECT 'cooled', ctr_train(n, cooled()) FROM noise n;
SELECT count(*) AS settings, count(*) FILTER (WHERE chosen) AS chosen, bool_and(measured) AS measured FROM models, tried(model) t
WHERE name = 'cooled';
SELECT digest(m.model) = digest(ctr_train(n, cooled(jsonb_build_object('candidates', 1, 'learning_rate', ctr_config(m.model)->'options'->'learning_rate'))))
       AS same_weights
FROM models m, noise n WHERE m.name = 'cooled' GROUP BY m.model;
CREATE TABLE digests AS SELECT all_of_it(model) AS d FROM models WHERE name = 'cooled';
SET ctr.threads = 2;
INSERT INTO digests SELECT all_of_it(ctr_train(n, cooled())) FROM (SELECT * FROM noise ORDER BY x) n;
SET maintenance_work_mem = '1MB';
INSERT INTO digests SELECT all_of_it(ctr_train(n, cooled())) FROM (SELECT * FROM noise ORDER BY y) n;
RESET maintenance_work_mem;
SET ctr.threads = 1;
SELECT count(*) AS n, count(DISTINCT d) AS different FROM digests;

-- In training rows, pairs that occur twice have label 1; the rows that validate are chance: counts mislead. The
-- chosen model has no counts, and is that of a training without them.
CREATE TABLE pairs AS
SELECT i AS id, (CASE WHEN i > 6000 THEN uniform(i, 5) < 0.5 ELSE (uniform(i, 5) < 0.9) = (i <= 3000) END)::int AS label,
       'a' || (200 * uniform(k, 6))::int AS a, 'b' || (200 * uniform(k, 7))::int AS b, i > 6000 AS held
FROM (SELECT i, CASE WHEN i <= 3000 THEN i % 1500 ELSE i END AS k FROM (SELECT i::bigint FROM generate_series(1, 7000) i) i) i;
CREATE FUNCTION fm(more jsonb) RETURNS jsonb LANGUAGE sql AS
$$ SELECT ctr_deepfm() || '{"ignore": ["id"], "validation_column": "held", "epochs": 4, "candidates": 2, "min_count": 3,
                            "crosses": [["a", "b"]]}' || more $$;
INSERT INTO models SELECT name, ctr_train(p, fm(more))
FROM pairs p, (VALUES ('no counts', '{}'::jsonb), ('no counts by hand', '{"candidates": 1, "cross_counts": false}')) o(name, more)
GROUP BY name;
SELECT t.* FROM models, tried(model) t WHERE name = 'no counts';
SELECT digest(c.model) = digest(h.model) AS same_weights,
       ctr_config(c.model)->'inputs' = ctr_config(h.model)->'inputs' AS same_inputs,
       (SELECT sum(abs(ctr_predict(c.model, p) - ctr_predict(h.model, p))) FROM pairs p) = 0 AS same_scores,
       (SELECT max(importance) FROM ctr_importance(c.model)) > 0 AS explained,
       c.model::text::ctr_model = c.model AS comes_back
FROM models c, models h WHERE c.name = 'no counts' AND h.name = 'no counts by hand';

-- However many epochs a setting would like, two of them train at most 2.5 times what the first takes alone. Here that is
-- two epochs of 38 steps, and one of 47 with the rows held back: 308 steps, of which the other setting finds two epochs
-- left before its cooldown. Its name says so, and the result is that of a training with these options.
CREATE FUNCTION short(more jsonb) RETURNS jsonb LANGUAGE sql AS
$$ SELECT '{"ignore": ["id", "held"], "epochs": 20, "patience": 1, "mlp_layers": [16], "batch_size": 64, "seed": 1,
            "target_statistics": false}' || more $$;
INSERT INTO models SELECT 'short', ctr_train(n, short('{"candidates": 2}')) FROM noise n;
SELECT t.*, (s->'epochs')::int AS epochs FROM models, tried(model) WITH ORDINALITY t, jsonb_array_elements(ctr_config(model)->'candidates') WITH ORDINALITY s(s, n)
WHERE name = 'short' AND t.ordinality = n ORDER BY n;
SELECT sum((s->'epochs')::int) * 38 + 2 * 38 + 47 <= 308 AS within, ctr_config(model)->'options'->'epochs' AS epochs,
       digest(model) = (SELECT digest(ctr_train(n, short('{"learning_rate": 0.001, "epochs": 3}'))) FROM noise n) AS same_weights
FROM models, jsonb_array_elements(ctr_config(model)->'candidates') s WHERE name = 'short' GROUP BY model;
SELECT a.memory_bytes - b.memory_bytes > 2 * 4 * a.parameters AS counted
FROM (SELECT (ctr_estimate(model)).* FROM models WHERE name = 'short') a,
     (SELECT (ctr_estimate(ctr_train(n, short('{"epochs": 1}')))).* FROM noise n) b;

-- Going on keeps the setting and what is known of it, and tries nothing; loaded weights forget it.
SELECT ctr_config(t.model)->'candidates' = ctr_config(m.model)->'candidates' AS kept,
       ctr_config(t.model)->'options'->'learning_rate' AS rate,
       ctr_config(ctr_load_weights(t.model, ctr_state_dict(m.model)))->'candidates' AS loaded
FROM models m, LATERAL (SELECT ctr_train(n, '{"epochs": 2}', m.model) AS model FROM noise n) t WHERE name = 'chosen';
SELECT ctr_train(n, '{"candidates": 2}', (SELECT model FROM models WHERE name = 'by hand')) FROM noise n;

-- what cannot be compared
SELECT ctr_fit(candidates => 0);
SELECT ctr_fit(candidates => 9);
\set VERBOSITY default
SELECT ctr_fit(candidates => 2, validation => 0);
SELECT ctr_fit(candidates => 2, epochs => 1);
\set VERBOSITY terse
SELECT ctr_config(ctr_train(n, ctr_deepfm() || '{"ignore": ["id", "held"], "epochs": 1}'))->'candidates' AS one_epoch,
       ctr_config(ctr_train(n, ctr_deepfm() || '{"ignore": ["id", "held"], "epochs": 2, "validation": 0}'))->'candidates' AS no_rows
FROM noise n WHERE id <= 500;
SELECT ctr_config(ctr_train(n, options('{"validation_column": "held"}')))->'candidates' AS nobody_validates
FROM (SELECT id, label, x, y, c, false AS held FROM noise WHERE id <= 500) n;
-- time is up in the first setting: there are no others
SELECT ctr_config(ctr_train(n, options('{"max_seconds": 1e-9}')))->'candidates' AS out_of_time FROM noise n;

-- forged
CREATE FUNCTION attempt(file bytea) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN 'read: ' || (SELECT count(*) FROM tried(file::ctr_model));
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ': ' || SQLERRM;
END $$;
CREATE TABLE file AS
SELECT changed(model::bytea, substring(header(model::bytea) FROM '"candidates":("\[.*?\]")'), after) AS bytes, after
FROM models, (VALUES ('"[{\"setting\": \"first\", \"epochs\": 3, \"val_loss\": 0.5, \"val_auc\": null, \"chosen\": true}]"'),
    ('"[{\"setting\": \"x\", \"epochs\": 3, \"val_loss\": null, \"val_auc\": 1, \"chosen\": true, \"later\": []}]"'),
    ('"[]"'), ('"{}"'), ('"7"'), ('"["'), ('"[7]"'),
    ('"[{\"setting\": \"first\", \"epochs\": 3, \"val_loss\": 0.5, \"val_auc\": null, \"chosen\": false}]"'),
    ('"[{\"setting\": \"first\", \"epochs\": 3, \"val_loss\": 0.5, \"val_auc\": null}]"'),
    ('"[{\"setting\": \"\", \"epochs\": 3, \"val_loss\": 0.5, \"val_auc\": null, \"chosen\": true}]"'),
    ('"[{\"setting\": \"a\\u0007\", \"epochs\": 3, \"val_loss\": 0.5, \"val_auc\": null, \"chosen\": true}]"'),
    ('"[{\"setting\": \"a\", \"epochs\": 0.5, \"val_loss\": 0.5, \"val_auc\": null, \"chosen\": true}]"'),
    ('"[{\"setting\": \"a\", \"epochs\": -1, \"val_loss\": 0.5, \"val_auc\": null, \"chosen\": true}]"'),
    ('"[{\"setting\": \"a\", \"epochs\": 1, \"val_loss\": 1e999, \"val_auc\": null, \"chosen\": true}]"'),
    ('"[{\"setting\": \"a\", \"epochs\": 1, \"val_loss\": 0.5, \"val_auc\": 1.5, \"chosen\": true}]"'),
    ('"[{\"setting\": \"a\", \"epochs\": 1, \"val_loss\": 0.5, \"val_auc\": 0.5, \"chosen\": true}, {\"setting\": \"b\", \"epochs\": 1, \"val_loss\": 0.5, \"val_auc\": 0.5, \"chosen\": true}]"'))
    f(after) WHERE name = 'chosen';
SELECT after, attempt(bytes) FROM file;
RESET ctr.threads;
DROP SCHEMA candidates CASCADE;
