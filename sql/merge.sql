-- parts of a table: prepared, merged into a start, trained, merged into one model
\set VERBOSITY terse
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS ctr;
CREATE SCHEMA merge;
SET search_path = merge, public;

CREATE FUNCTION uniform(i bigint, seed int) RETURNS float8 LANGUAGE sql IMMUTABLE AS
$$ SELECT ((hashint8extended(i, seed) & 1048575) + 0.5) / 1048576 $$;
-- amount: many different values; stock: few, and NULLs; shop: 9, city: 300, of which many are rare
CREATE TABLE clicks AS
SELECT i AS id, i % 4 AS shard, 1.0 + (i % 3) AS importance, exp(4 * x) AS amount, nullif(floor(20 * uniform(i, 2)), 13) AS stock, 's' || a AS shop, 'c' || c AS city,
       (uniform(i, 3) < 1 / (1 + exp(2.2 - 0.4 * a - x - (c % 5) / 2.0)))::int AS label
FROM (SELECT i, uniform(i, 4) AS x, floor(9 * uniform(i, 5)) AS a, floor(300 * uniform(i, 6) ^ 3)::int AS c FROM generate_series(1, 2400) i) s;
CREATE TABLE options AS SELECT ctr_fit(ignore => '{id,shard,importance}', crosses => 'none', epochs => 2) || ctr_deepcross(mlp_layers => '{16}') AS fit;

-- the passes, each over every part: groups of rows by an expression, for whatever options
CREATE FUNCTION start_of(parts text, fit jsonb, source text DEFAULT 'clicks') RETURNS ctr_model LANGUAGE plpgsql AS $$
DECLARE
    common ctr_model;
BEGIN
    EXECUTE format('SELECT ctr_merge(part) FROM (SELECT ctr_prepare(c, $1) AS part FROM %s c GROUP BY %s) p', source, parts) INTO common USING fit;
    WHILE ctr_describe(common) LIKE 'prepared:%' LOOP
        EXECUTE format('SELECT ctr_merge(part) FROM (SELECT ctr_prepare(c, $1, $2) AS part FROM %s c GROUP BY %s) p', source, parts) INTO common USING fit, common;
    END LOOP;
    RETURN common;
END $$;
-- tensors in which models differ
CREATE FUNCTION differences(a ctr_model, b ctr_model) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT name FROM ctr_tensors(a) x FULL JOIN ctr_tensors(b) y USING (name)
    WHERE x.name IS NULL OR y.name IS NULL OR x.shape <> y.shape OR ctr_tensor(a, name)::text <> ctr_tensor(b, name)::text ORDER BY name $$;

-- one part: the training from its start is the training, but for what only parts have
CREATE TABLE kinds (name text, fit jsonb);
INSERT INTO kinds SELECT 'default', fit FROM options;
INSERT INTO kinds SELECT 'weights', fit || '{"weight": "importance", "ignore": ["id", "shard"]}' FROM options;
INSERT INTO kinds SELECT 'reference', fit || '{"recipe": "reference", "epochs": 1, "batch_size": 500}' FROM options;
INSERT INTO kinds SELECT 'no statistics', fit || '{"target_statistics": false, "numerical_transform": "log", "numerical_buckets": 0}' FROM options;
INSERT INTO kinds SELECT 'wide', ctr_wide_deep(mlp_layers => '{16}') || ctr_fit(ignore => '{id,shard,importance}', crosses => 'none', epochs => 1, lr_schedule => 'cosine', numerical_transform => 'standard') FROM options;
INSERT INTO kinds SELECT 'classes', ctr_fibinet(mlp_layers => '{8}', n_classes => 3) || ctr_fit(ignore => '{id,shard,importance}', crosses => 'none', epochs => 1) FROM options;
INSERT INTO kinds SELECT 'pairs', fit || '{"crosses": [["shop", "city"]]}' FROM options;
INSERT INTO kinds SELECT 'pairs, not counted', fit || '{"crosses": [["shop", "city"]], "cross_counts": false, "target_statistics": false}' FROM options;
INSERT INTO kinds SELECT 'pairs, if any', fit || '{"crosses": "auto"}' FROM options;
ALTER TABLE kinds ADD start ctr_model;
UPDATE kinds SET start = start_of('()', fit);
SELECT name, (SELECT array_agg(d) FROM differences((SELECT ctr_train(c, fit) FROM clicks c), (SELECT ctr_train(c, fit, start) FROM clicks c)) d) FROM kinds;
-- whether options are repeated or left out
SELECT ctr_train(c, fit, start) = ctr_train(c, NULL, start) AS same FROM clicks c, kinds WHERE name = 'default';

-- parts of few values and no rows held back: the start is that of the whole, exactly, but for label sums where
-- equal rows are in different parts; and the order of parts is nothing
CREATE TABLE few AS SELECT id, shard, stock, shop, city, label FROM clicks;
CREATE TABLE starts AS
SELECT n, start_of(parts, fit, 'few') AS start
FROM (VALUES (1, '()'), (4, 'shard'), (9, 'shop'), (37, 'id % 37')) p (n, parts), (SELECT ctr_fit(ignore => '{id,shard}', crosses => 'none', validation => 0) AS fit) f;
SELECT n, differences((SELECT start FROM starts WHERE n = 1), start) FROM starts;
SELECT count(DISTINCT model) = 1 AS same FROM (
    SELECT ctr_merge(part ORDER BY shard) AS model FROM (SELECT shard, ctr_prepare(c, fit) AS part FROM clicks c, options GROUP BY shard) p
    UNION ALL SELECT ctr_merge(part ORDER BY -shard) FROM (SELECT shard, ctr_prepare(c, fit) AS part FROM clicks c, options GROUP BY shard) p) m;
-- pairs of columns: which they are, the parts' rows tell together, and all parts count the pairs of categories
CREATE TABLE paired AS
SELECT i AS id, i % 4 AS shard, 'a' || a AS a, 'b' || b AS b, 'u' || u AS u, uniform(i, 12) AS x,
       (uniform(i, 9) < CASE WHEN (a + b) % 3 = 0 THEN 0.7 ELSE 0.2 END)::int AS label
FROM (SELECT i, floor(8 * uniform(i, 7))::int AS a, floor(9 * uniform(i, 8))::int AS b, floor(400 * uniform(i, 11) ^ 2)::int AS u FROM generate_series(1, 3000) i) s;
CREATE TABLE paired_fit AS SELECT ctr_fit(ignore => '{id,shard}', epochs => 1) || ctr_deepcross(mlp_layers => '{16}') AS fit;
CREATE TABLE pairings AS
SELECT name, f, start_of('()', f, 'paired') AS start, start_of('()', f || '{"validation": 0}', 'paired') AS whole, start_of('shard', f || '{"validation": 0}', 'paired') AS parts
FROM (SELECT 'chosen' AS name, fit AS f FROM paired_fit UNION ALL SELECT 'named', fit || '{"crosses": [["u", "a"], ["b", "u"]]}' FROM paired_fit) k;
SELECT name, differences((SELECT ctr_train(c, f) FROM paired c), (SELECT ctr_train(c, NULL, start) FROM paired c)) AS different,
       ctr_config(start)->'inputs'->'crosses' AS crosses, parts = whole AS parts_alike FROM pairings;
-- in other cases nearly: quantiles lie within a thousandth of their rank, but for the rows that are held back
SELECT max(abs(rank - (q - 1) / 999.0)) < 0.03 AS near
FROM unnest(ctr_tensor((SELECT start FROM kinds WHERE name = 'default'), 'ctr.numerical.quantiles')) WITH ORDINALITY u (v, q),
    LATERAL (SELECT count(*) FILTER (WHERE amount < v) / 2400.0 AS rank FROM clicks) r WHERE q <= 1000;

-- parts that were trained from one model: their average, in whatever order; one of them alone is itself
CREATE TABLE parts AS SELECT shard, ctr_train(c, fit || '{"epochs": 1}', start) AS part
FROM clicks c, (SELECT fit, start_of('shard', fit) AS start FROM options OFFSET 0) s GROUP BY shard;
SELECT count(DISTINCT model) = 1 AS same FROM (SELECT ctr_merge(part ORDER BY shard) AS model FROM parts UNION ALL SELECT ctr_merge(part ORDER BY -shard) FROM parts) m;
SELECT bool_and(ctr_merge = part) AS itself FROM (SELECT ctr_merge(p.part), p.part FROM parts p GROUP BY p.part) m;
-- dense tensors count by training rows, embeddings by the rows that had the category
CREATE FUNCTION numbers(model ctr_model, tensor text) RETURNS TABLE (place bigint, value float8) LANGUAGE sql AS
$$ SELECT i, v FROM unnest(ctr_tensor(model, tensor)) WITH ORDINALITY u (v, i) $$;
CREATE TABLE average AS SELECT ctr_merge(part) AS model FROM parts;
SELECT max(abs(m.value - p.value)) < 1e-6 AS by_rows
FROM (SELECT place, sum(value * rows) / sum(rows) AS value
      FROM parts, LATERAL (SELECT (ctr_config(part)->'rows'->>'training')::float8 AS rows) r, numbers(part, 'mlp.mlp.0.weight') GROUP BY place) p
JOIN (SELECT n.* FROM average, numbers(model, 'mlp.mlp.0.weight') n) m USING (place);
SELECT ctr_config(model)->'rows' AS rows, ctr_config(model)->'epochs' AS epochs FROM average;
SELECT (SELECT count(*) FROM numbers(model, 'ctr.part.rows') r JOIN numbers(model, 'ctr.part.rows') s USING (place) WHERE r.value <> s.value) AS differing,
       (SELECT sum(value) FROM numbers(model, 'ctr.part.rows')) = (SELECT sum(value) FROM parts, numbers(part, 'ctr.part.rows')) AS counts_add_up FROM average;
SELECT max(abs(m.value - p.value)) < 1e-6 AS by_category
FROM (SELECT place, sum(value * rows) / sum(rows) AS value
      FROM (SELECT e.place, e.value, r.value AS rows FROM parts, numbers(part, 'cat_embedding.embedding_list.0.weight') e, numbers(part, 'ctr.part.rows') r
            WHERE (e.place - 1) / (SELECT shape[2] FROM ctr_tensors(part) WHERE name = 'cat_embedding.embedding_list.0.weight') = r.place - 1) s
      GROUP BY place HAVING sum(rows) > 0) p
JOIN (SELECT n.* FROM average, numbers(model, 'cat_embedding.embedding_list.0.weight') n) m USING (place);
CREATE FUNCTION damaged(base ctr_model, changes bytea, model ctr_model) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    whole CONSTANT bytea := ctr_changes(model, base);
    applied text;
    merged text;
BEGIN
    BEGIN
        applied := CASE WHEN ctr_apply(base, changes) = model THEN 'the same' ELSE 'another model' END;
    EXCEPTION WHEN OTHERS THEN
        applied := SQLSTATE;
    END;
    BEGIN
        merged := CASE WHEN (SELECT ctr_merge(base, c) FROM (VALUES (changes), (whole)) v (c))
            = (SELECT ctr_merge(base, c) FROM (VALUES (whole), (whole)) v (c)) THEN 'the same' ELSE 'another model' END;
    EXCEPTION WHEN OTHERS THEN
        merged := SQLSTATE;
    END;
    RETURN CASE WHEN applied = merged THEN applied ELSE format('%s applied, %s merged', applied, merged) END;
END $$;
-- as what they change of the start, parts are smaller and give the same; without a start, too, but not another one's
CREATE TABLE changes AS SELECT shard, ctr_changes(part, start) AS changes FROM parts, (SELECT start_of('shard', fit) AS start FROM options) s;
SELECT bool_and(octet_length(changes) < octet_length(part::bytea)) AS smaller, bool_and(ctr_apply(start, changes) = part) AS kept,
       ctr_merge(start, changes ORDER BY shard DESC) = (SELECT model FROM average) AS same_average
FROM changes JOIN parts USING (shard), (SELECT start_of('shard', fit) AS start FROM options) s;
SELECT ctr_merge(start, changes) = (SELECT part FROM parts WHERE shard = 1) AS alone FROM changes, (SELECT start_of('shard', fit) AS start FROM options) s WHERE shard = 1;
SELECT ctr_apply(a.part, ctr_changes(b.part, a.part)) = b.part AS any_two, octet_length(ctr_changes(a.part, a.part)) < 200 AS nothing FROM parts a, parts b WHERE a.shard = 0 AND b.shard = 1;
-- no byte of them can be another, but that nothing of the model is
SELECT DISTINCT state FROM (SELECT ctr_changes(b.part, a.part) AS changes, a.part AS base, b.part AS model FROM parts a, parts b WHERE a.shard = 0 AND b.shard = 1) c,
    LATERAL generate_series(0, octet_length(changes) - 1, 97) i, LATERAL (SELECT damaged(base, set_byte(changes, i, 255 - get_byte(changes, i)), model) AS state OFFSET 0) d ORDER BY 1;
SELECT damaged(base, substr(changes, 1, n), model) AS state FROM (SELECT ctr_changes(b.part, a.part) AS changes, a.part AS base, b.part AS model FROM parts a, parts b WHERE a.shard = 0 AND b.shard = 1) c,
    LATERAL unnest(ARRAY[0, 79, 80, 91, octet_length(changes) - 1]) n;
-- in the end the rows that were held back can train, too, and then no longer measure
CREATE TABLE ends AS SELECT ctr_merge(part) AS model FROM (SELECT ctr_train(c, '{"epochs": 1, "validation": 0}', model) AS part FROM clicks c, average GROUP BY c.shard) p;
SELECT ctr_config(model)->'rows' AS rows, val_loss FROM ends, ctr_history(model) WHERE epoch = 2;

-- the step of a coordinator: without momentum to the average, with momentum beyond
CREATE TABLE round AS SELECT start_of('shard', fit) AS start FROM options;
CREATE FUNCTION largest(a ctr_model, b ctr_model, c ctr_model, p float8, q float8, r float8) RETURNS float8 LANGUAGE sql AS $$
    SELECT max(abs(p * x.value + q * y.value + r * z.value))
    FROM numbers(a, 'mlp.mlp.0.weight') x JOIN numbers(b, 'mlp.mlp.0.weight') y USING (place) JOIN numbers(c, 'mlp.mlp.0.weight') z USING (place) $$;
SELECT largest(s.model, a.model, start, 1, -1, 0) < 1e-9 AS average, largest(s.velocity, a.model, start, 1, -1, 1) < 1e-6 AS velocity
FROM average a, round, ctr_step(start, a.model, NULL, 0) s;
SELECT largest(s.model, a.model, start, 1, -1.5, 0.5) < 1e-6 AS beyond, largest(t.velocity, a.model, start, 1, -1.5, 1.5) < 1e-6 AS faster,
       largest(s.model, a.model, start, 1, -1, 0) > 1e-5 AS not_the_average
FROM average a, round, ctr_step(start, a.model, NULL, 0.5) s, ctr_step(start, a.model, s.velocity, 0.5) t;

-- what cannot be
CREATE FUNCTION attempt(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
    hint text;
BEGIN
    EXECUTE query;
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(E'\n  ', SQLSTATE || ': ' || SQLERRM, nullif(detail, ''), nullif(hint, ''));
END $$;
CREATE TABLE pass1 AS SELECT shard, ctr_prepare(c, fit) AS part FROM clicks c, options GROUP BY shard;
CREATE TABLE common AS SELECT ctr_merge(part) AS common FROM pass1;
CREATE TABLE pass2 AS SELECT shard, ctr_prepare(c, fit, common) AS part FROM clicks c, options, common GROUP BY shard;
\pset format unaligned
SELECT ctr_describe(part) ~ '^prepared: what one part''s columns are . 4 features . \d+ categories . \d+ kB . 600 rows$' AS described FROM pass1 LIMIT 1;
SELECT ctr_config(common)->'weights' AS weights, (SELECT array_agg(name) FROM ctr_features(common)) AS features FROM common;
SELECT attempt('SELECT ctr_predict(part, c) FROM clicks c, pass1 LIMIT 1');
SELECT attempt('SELECT ctr_summary(common) FROM common');
SELECT attempt('SELECT ctr_train(c, NULL, common) FROM clicks c, common');
SELECT attempt('SELECT ctr_prepare(c, NULL, part) FROM clicks c, pass1 WHERE c.shard = 0 AND pass1.shard = 0');
SELECT attempt('SELECT ctr_prepare(c, NULL, alone) FROM clicks c, (SELECT ctr_merge(part) AS alone FROM pass2) s');
SELECT attempt('SELECT ctr_merge(part) FROM (SELECT part FROM pass1 UNION ALL SELECT part FROM pass2) p') ~ '^22023: the parts to merge are of different kinds\n  One is .*what one part''s columns are' AS refused;
SELECT attempt('SELECT ctr_merge(part) FROM (SELECT part FROM pass1 UNION ALL SELECT part FROM parts) p') ~ '^22023: the parts to merge are of different kinds\n  One is .*a model' AS refused;
SELECT attempt('SELECT ctr_merge(common) FROM (SELECT common FROM common, generate_series(1, 2)) c');
SELECT regexp_replace(attempt('SELECT ctr_merge(part) FROM (SELECT ctr_prepare(c, fit || jsonb_build_object(''min_count'', shard + 1)) AS part FROM clicks c, options GROUP BY shard) p'), '\d and \d', 'n and m');
SELECT regexp_replace(attempt('SELECT ctr_merge(part) FROM (SELECT ctr_prepare(c, fit || ''{"numerical": null}'') AS part FROM clicks c, options UNION ALL SELECT ctr_prepare(c, fit) FROM (SELECT id, shard, importance, amount, stock, city, shop, label FROM clicks) c, options) p'), '"(shop|city)" and "(shop|city)"', 'shop and city');
SELECT attempt('SELECT ctr_merge(part) FROM (SELECT part FROM pass2 UNION ALL SELECT ctr_prepare(c, fit, other) FROM clicks c, options, (SELECT ctr_merge(part) AS other FROM pass1 WHERE shard < 2) o) p');
SELECT attempt('SELECT ctr_merge(part) FROM (SELECT part FROM parts WHERE shard < 2 UNION ALL SELECT ctr_train(c, ''{"epochs": 1}'', model) FROM clicks c, average) p') ~ '^22023: the models to merge were trained from different models\n  These have digests [0-9a-f]{12} and [0-9a-f]{12}.\n' AS different;
SELECT attempt('SELECT ctr_merge(part) FROM (SELECT ctr_train(c, fit || ''{"epochs": 1}'') AS part FROM clicks c, options GROUP BY shard) p');
SELECT attempt('SELECT ctr_train(c, ''{"seed": 43}'', model) FROM clicks c, average');
SELECT attempt('SELECT ctr_train(c, ''{"validation": 0.5}'', model) FROM clicks c, average');
SELECT attempt('SELECT ctr_train(c, ''{"validation": 0.2}'', model) FROM clicks c, ends');
SELECT attempt('SELECT ctr_prepare(c, ''{"target_statistics": false}'', common) FROM clicks c, common');
SELECT attempt('SELECT ctr_merge(ctr_prepare) FROM (SELECT ctr_prepare(c, fit || ''{"target_statistics": false}'') FROM clicks c, options WHERE label = 0) p') ~ '^22023: label column "label" has no other value than 0\n  The parts have \d+ training rows' AS one_label;
SELECT attempt('SELECT ctr_step(start, model, NULL, 1) FROM average, round');
CREATE TABLE stepped AS SELECT s.* FROM average a, round, ctr_step(start, a.model, NULL, 0.5) s;
SELECT attempt('SELECT ctr_predict(velocity, c) FROM stepped, clicks c LIMIT 1');
SELECT attempt('SELECT ctr_train(c, NULL, velocity) FROM stepped, clicks c');
SELECT attempt('SELECT ctr_merge(velocity) FROM stepped, generate_series(1, 2)');
SELECT attempt('SELECT ctr_step(start, velocity, NULL, 0.5) FROM stepped, round');
SELECT attempt('SELECT ctr_step(start, a.model, s.model, 0.5) FROM average a, stepped s, round');
SELECT ctr_describe(velocity) ~ ' . velocity of ctr_step$' AS described, ctr_config(velocity)->'weights' AS weights, velocity::text::ctr_model = velocity AS kept FROM stepped;
SELECT attempt('SELECT ctr_prepare(c, ctr_deepfm() || ctr_fit(candidates => 2)) FROM clicks c');
SELECT ctr_config(ctr_prepare(c, ctr_deepfm()))->'options'->'candidates' AS candidates FROM clicks c;
SELECT regexp_replace(attempt('SELECT ctr_apply(a.part, ctr_changes(a.part, b.part)) FROM parts a, parts b WHERE a.shard = 0 AND b.shard = 1'), '[0-9a-f]{12}', 'DIGEST', 'g');
SELECT attempt('SELECT ctr_merge(p.part, ctr_changes(c.part, p.part)) FROM parts p, (SELECT part FROM pass1 WHERE shard < 2) c WHERE p.shard = 0');
SELECT attempt('SELECT ctr_merge(p.part, ctr_changes(c.part, p.part)) FROM parts p, (SELECT ctr_train(c, fit || ''{"epochs": 1}'') AS part FROM clicks c, options GROUP BY shard) c WHERE p.shard = 0');
-- nor those of what is no model yet, or whose encoder has more than the base's
SELECT attempt('SELECT ctr_merge(part, ctr_changes(part, part)) FROM pass1 WHERE shard = 0');
SELECT attempt('SELECT ctr_merge(part, ctr_changes(part, part)) FROM pass1, generate_series(1, 2) WHERE shard = 0');
CREATE TABLE plain AS SELECT ctr_merge(part) AS start FROM (SELECT ctr_prepare(c, ctr_fit(ignore => '{id,shard}', target_statistics => false, numerical_buckets => 0, crosses => 'none')) AS part FROM clicks c) p;
CREATE TABLE cut AS SELECT ctr_merge(part) AS start FROM (SELECT ctr_prepare(c, ctr_fit(ignore => '{id,shard}', target_statistics => false, numerical_buckets => 8, crosses => 'none')) AS part FROM clicks c) p;
SELECT attempt('SELECT ctr_merge(p.start, ctr_changes(c.start, p.start)) FROM plain p, cut c, generate_series(1, 2)');
SELECT attempt('SELECT ctr_step(model, model, NULL, 0.5) FROM average') ~ '^22023: the merged model was not trained from the previous one\n  Its parts went on from a model of digest [0-9a-f]{12}' AS refused;
\pset format aligned
SET client_min_messages = warning;
SELECT ctr_merge(NULL) IS NULL AS nothing;
SELECT ctr_prepare(c, '{}') IS NULL AS nothing FROM clicks c WHERE false;

-- numbers alone, which are no categories either: no labels by category, so no second pass
SELECT ctr_describe(start) LIKE 'prepared:%' AS prepared, ctr_predict(start, c) BETWEEN 0 AND 1 AS scores
FROM (SELECT id, shard, amount, stock, label FROM clicks) c,
     start_of('shard', '{"crosses": "none", "ignore": ["id", "shard"], "numerical_buckets": 0}', '(SELECT id, shard, amount, stock, label FROM clicks)') start
LIMIT 1;

-- as text and as bytes they stay what they are, and every byte is checked
SELECT count(*) FROM (SELECT part FROM pass1 UNION ALL SELECT common FROM common UNION ALL SELECT part FROM pass2 UNION ALL SELECT part FROM parts) p
WHERE part::text::ctr_model = part AND part::bytea::ctr_model = part;

-- what a training would take
SELECT e.rows, e.validation_rows, e.numerical, e.categorical, e.categories = words AS categories,
       e.parameters = (SELECT (ctr_config(model)->>'parameters')::int FROM average) AS parameters, e.model_bytes BETWEEN 20000 AND 200000 AS size,
       e.memory_bytes > 2 * e.model_bytes AS memory, e.seconds_per_epoch > 0 AND e.seconds BETWEEN 1.9 * e.seconds_per_epoch AND 2.1 * e.seconds_per_epoch AS time
FROM common, ctr_estimate(common) e, LATERAL (SELECT sum(categories) - 4 AS words FROM ctr_features(common) WHERE kind = 'categorical') f;
SELECT e.rows FROM pass1, ctr_estimate(part) e WHERE shard = 1;

DROP SCHEMA merge CASCADE;
