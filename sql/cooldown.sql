-- lr_schedule 'cooldown': which rows the last epochs see, what is measured, and which parameters are the result
\set VERBOSITY terse
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS ctr;
CREATE SCHEMA cooldown;
SET search_path = cooldown, public;
CREATE FUNCTION uniform(i bigint, seed int) RETURNS float8 LANGUAGE sql IMMUTABLE AS
$$ SELECT ((hashint8extended(i, seed) & 1048575) + 0.5) / 1048576 $$;
CREATE TABLE visits AS
SELECT i AS id, (uniform(i, 1) < 1 / (1 + exp(1 - 1.5 * sin(7 * a) - 1.5 * sin(11 * b) - sin(5 * a * b))))::int AS label,
       'a' || a AS a, 'b' || b AS b, uniform(i, 4) AS x, i % 5 = 0 AS held
FROM (SELECT i, (300 * uniform(i, 2))::int AS a, (300 * uniform(i, 3))::int AS b
      FROM (SELECT i::bigint FROM generate_series(1, 30000) i) x) x;
CREATE FUNCTION options(more jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS
$$ SELECT ctr_fit(lr_schedule => 'cooldown', epochs => 6, ignore => '{id,held}') || '{"mlp_layers": [16]}' || more $$;
CREATE FUNCTION train(more jsonb DEFAULT '{}') RETURNS ctr_model LANGUAGE sql AS
$$ SELECT ctr_train(v, options(more)) FROM visits v WHERE id <= 20000 $$;

-- the rate stays, then falls to 0; there, rows that chance held back train, so nothing validates
CREATE TABLE models AS SELECT name, train(more) AS model
FROM (VALUES ('chance', '{}'::jsonb), ('column', '{"validation_column": "held", "ignore": ["id"]}'),
             ('none', '{"validation": 0}'), ('one', '{"epochs": 1}'), ('two', '{"epochs": 2}'),
             ('three', '{"epochs": 3}')) m(name, more);
SELECT name, count(*) - count(*) FILTER (WHERE learning_rate = 0.002) AS cooling, max(epoch) <= 6 AS few,
       bool_and((learning_rate < 0.002) = (epoch > last - falling)) AS at_the_end,
       min(learning_rate) < 1e-4 AS to_zero, count(*) FILTER (WHERE learning_rate < 0.002 AND val_loss IS NULL) AS unmeasured,
       bool_and(is_best = (epoch = (ctr_config(model)->'best_epoch')::int)) AS marked,
       bool_and(NOT is_best OR val_loss IS NOT DISTINCT FROM least) AS least
FROM models, LATERAL (SELECT h.*, max(epoch) OVER () AS last, count(*) FILTER (WHERE learning_rate < 0.002) OVER () AS falling,
                             min(val_loss) OVER () AS least FROM ctr_history(model) h) h
GROUP BY name ORDER BY name;

-- Rows that chance held back teach what the others did not show: most of the rows, here. Those of a column do not.
SELECT name, ctr_logloss(label, ctr_predict(m.model, v))
       < ctr_logloss(label, ctr_predict(c.model, v)) - 0.01 AS much_better
FROM (VALUES ('chance', train('{"validation": 0.8, "target_statistics": false}')),
             ('column', (SELECT ctr_train(v, options('{"validation_column": "held", "ignore": ["id"], '
                                                         '"target_statistics": false}'))
                         FROM (SELECT id, label, a, b, x, id % 5 > 0 AS held FROM visits WHERE id <= 20000) v)))
     m(name, model), (SELECT train('{"validation": 0.8, "lr_schedule": "constant", '
                                         '"target_statistics": false}') AS model) c, visits v
WHERE id > 20000 GROUP BY name ORDER BY name;

-- the same bits for any threads, memory and order of rows
CREATE FUNCTION digest(m ctr_model) RETURNS text LANGUAGE sql AS $$ SELECT md5(ctr_state_dict(m)) $$;
CREATE TABLE digests AS SELECT digest(model) AS d FROM models WHERE name = 'chance';
SET ctr.threads = 3;
INSERT INTO digests SELECT digest(train());
SET maintenance_work_mem = '1MB';
INSERT INTO digests SELECT digest(train());
SET ctr.threads = 1;
INSERT INTO digests
SELECT digest(ctr_train(v, options())) FROM (SELECT * FROM visits WHERE id <= 20000 ORDER BY x) v;
RESET ctr.threads;
RESET maintenance_work_mem;
SELECT count(*) AS n, count(DISTINCT d) AS different FROM digests;

-- time that is up ends it before: the best epoch so far is the result
SELECT count(*) AS epochs, bool_and(learning_rate = 0.002) AS steady
FROM ctr_history(train('{"max_seconds": 1e-9}'));

-- going on keeps it
SELECT count(*) > 1 AS epochs, count(*) FILTER (WHERE val_loss IS NULL) AS unmeasured
FROM ctr_history((SELECT ctr_train(v, ctr_fit(epochs => 4), model) FROM visits v, models
                  WHERE name = 'one' AND id > 20000)) WHERE epoch > 1;

-- What the recipe says of epochs and patience follows from the rows that validate: where there are none, nothing tells
-- when to stop; where there are many, one epoch is enough. What is given stays, and so does another recipe's.
CREATE FUNCTION setting(more jsonb, first int) RETURNS TABLE (epochs int, patience int, trained int) LANGUAGE sql AS
$$ SELECT (c->'options'->>'epochs')::int, (c->'options'->>'patience')::int, (c->>'epochs')::int
   FROM (SELECT ctr_config(ctr_train(v, '{"mlp_layers": [4], "ignore": ["id", "held"], "crosses": "none"}'::jsonb || more)) AS c
         FROM (SELECT id, label, x, false AS held FROM visits, generate_series(1, 3) WHERE id >= first) v OFFSET 0) m $$;
SELECT name, s.* FROM (VALUES (1, 'none', '{"validation": 0}'::jsonb), (2, 'none in the column', '{"validation_column": "held", "ignore": ["id"]}'),
    (3, 'nine', '{"validation": 0, "epochs": 9}'), (4, 'one', '{"validation": 0, "epochs": 1}'),
    (5, 'reference', '{"validation": 0, "recipe": "reference", "max_seconds": 1e-9}')) o(n, name, more), setting(more, 29900) s ORDER BY n;
SELECT name, s.epochs, s.patience FROM (VALUES (1, 'few', '{"validation": 0.5}'::jsonb), (2, 'many', '{"validation": 0.8}'),
    (3, 'two', '{"validation": 0.8, "patience": 2}'), (4, 'reference', '{"validation": 0.8, "recipe": "reference"}')) o(n, name, more),
    setting(more || '{"max_seconds": 1e-9}', 9000) s ORDER BY n;
-- a group that is so small that no row of it validates
SELECT g, (ctr_config(model)->'rows'->'validation')::int AS validate, (ctr_config(model)->'epochs')::int AS epochs
FROM (SELECT id % 2 AS g, ctr_train(v, ctr_fit(validation_column => 'held', ignore => '{id}')) AS model
      FROM (SELECT id, label, x, id % 10 = 1 AS held FROM visits WHERE id <= 200) v GROUP BY 1) m WHERE g = 0;
-- going on, it is asked again
SELECT (c->'options'->>'epochs')::int AS epochs, (c->>'epochs')::int AS trained
FROM (SELECT ctr_config(ctr_train(v, '{"validation": 0}', model)) AS c
      FROM (SELECT ctr_train(v, '{"mlp_layers": [4], "ignore": ["id", "held"], "crosses": "none", "max_seconds": 1e-9}') AS model
            FROM visits v WHERE id <= 500) m, visits v WHERE id <= 500 GROUP BY model) m;
DROP SCHEMA cooldown CASCADE;
